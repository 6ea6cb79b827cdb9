# Submits one request over Redis and waits for its result. Needs the redis gem (gem install redis).
#
#     REDIS_URL=redis://127.0.0.1:6379 ruby submit.rb request.json

require "json"
require "redis"
require "securerandom"

ENDS = %w[succeeded rejected dead cancelled].freeze
client = Redis.new(url: ENV.fetch("REDIS_URL", "redis://127.0.0.1:6379"))
request = JSON.parse(File.read(ARGV.fetch(0)))
# With a key of its own a request may be sent again at any time, and its events can be told from others.
key = (request["idempotency_key"] ||= SecureRandom.uuid)

# Where the streams end now: what happens to the request comes after that.
at = %w[sluice:events sluice:rejected].to_h do |stream|
  newest = client.xrevrange(stream, "+", "-", count: 1)
  [stream, newest.empty? ? "0" : newest.first.first]
end
entry = client.xadd("sluice:requests", { "request" => JSON.generate(request) })
puts "sent #{entry} with key #{key}"

mine = nil
jobs = nil
ended = {}
while jobs.nil? || ended.size < jobs
  client.xread(at.keys, at.values, count: 500, block: 5000).each do |stream, events|
    events.each do |id, event|
      at[stream] = id
      if stream == "sluice:rejected"
        abort "rejected: #{JSON.parse(event["reason"])["detail"]}" if event["entry"] == entry
      elsif event["key"] == key
        mine = event["request"]
        jobs = event["jobs"].to_i
        puts "accepted as #{mine} with #{jobs} jobs"
      elsif mine && event["request"] == mine && ENDS.include?(event["state"])
        ended[event["job"]] = event["state"]
        puts "job #{event["job"]} #{event["state"]}"
      end
    end
  end
end
exit(ended.values.all? { |state| state == "succeeded" } ? 0 : 2)
