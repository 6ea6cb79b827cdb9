#!/usr/bin/env bash
# Submits one request over Redis and waits for its result. Needs redis-cli, and a request with an idempotency key.
#
#     REDIS_URL=redis://127.0.0.1:6379 bash submit.sh request.json KEY
#
# KEY is the request's idempotency_key: its events are told from others by it.
set -euo pipefail
readonly request=$1 key=$2

ask() {
  redis-cli -u "${REDIS_URL:-redis://127.0.0.1:6379}" "$@"
}

# Prints the field $1 of an entry that redis-cli has written as one line of quoted words: stream, id, then names and values.
field() {
  awk -F '","' -v name="$1" '{ gsub(/^"|"$/, ""); for (n = 3; n < NF; n += 2) if ($n == name) print $(n + 1) }' <<<"$2"
}

# Where a stream ends now: what happens to the request comes after that.
end_of() {
  local newest
  newest=$(ask XREVRANGE "$1" + - COUNT 1 | head -n 1)
  echo "${newest:-0}"
}

events_at=$(end_of sluice:events)
rejected_at=$(end_of sluice:rejected)
entry=$(ask -x XADD sluice:requests '*' request <"$request")
echo "sent $entry with key $key"

mine='' jobs=-1 ended=0 good=0
while [ "$ended" -ne "$jobs" ]; do
  # One entry at a time, since it is then one line; anything else than a quoted word means that there is none.
  if [ -z "$mine" ]; then
    line=$(ask --csv XREAD COUNT 1 STREAMS sluice:rejected "$rejected_at")
    if [ "${line:0:1}" = '"' ]; then
      rejected_at=$(awk -F '","' '{ print $2 }' <<<"$line")
      if [ "$(field entry "$line")" = "$entry" ]; then
        echo "rejected: $(field reason "$line")" >&2
        exit 1
      fi
    fi
  fi
  line=$(ask --csv XREAD COUNT 1 BLOCK 1000 STREAMS sluice:events "$events_at")
  [ "${line:0:1}" = '"' ] || continue
  events_at=$(awk -F '","' '{ print $2 }' <<<"$line")
  if [ "$(field key "$line")" = "$key" ]; then
    mine=$(field request "$line") jobs=$(field jobs "$line")
    echo "accepted as $mine with $jobs jobs"
  elif [ -n "$mine" ] && [ "$(field request "$line")" = "$mine" ]; then
    state=$(field state "$line")
    case $state in
      succeeded) good=$((good + 1)) ended=$((ended + 1)) ;;
      rejected | dead | cancelled) ended=$((ended + 1)) ;;
      *) continue ;;
    esac
    echo "job $(field job "$line") $state"
  fi
done
[ "$good" -eq "$jobs" ] || exit 2
