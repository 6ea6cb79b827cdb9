//! One week of an installation, told as a story: two hundred repositories of three teams, a template that breaks builds, a
//! token that ends, a model that is retired, a freeze over a weekend in which the clocks change. The transcript is kept in
//! `golden/week.txt`; `SLUICE_RENEW=1` writes it anew.

mod book;
mod friday;
mod monday;
mod record;
pub mod setting;
mod thursday;
pub mod time;
mod weekend;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use self::book::Book;
use crate::{
    aftermath::assert_sound,
    stage::{Ran, Stage, id},
};

/// The story as far as it was told.
pub struct Week {
    stage: Stage,
    book: Book,
    now_ms: i64,
    /// Today, such as `2026-03-26`.
    day: &'static str,
    /// The request that goes on from day to day.
    logging: String,
    payments: String,
}

impl Week {
    fn day(&mut self, day: &'static str, title: &str) {
        self.day = day;
        self.book.day(title);
    }

    fn tell(&mut self, text: &str) {
        self.book.tell(text);
    }

    /// Runs a command and writes down what it says; only lines that begin with one of these, if any is given.
    fn run(&mut self, line: &[&str], beginnings: &[&str]) -> Ran {
        self.told(line, beginnings, false)
    }

    /// The same with times as they are: for those that do not depend on the machine.
    fn run_exact(&mut self, line: &[&str], beginnings: &[&str]) -> Ran {
        self.told(line, beginnings, true)
    }

    fn told(&mut self, line: &[&str], beginnings: &[&str], exact: bool) -> Ran {
        let ran = self.stage.sluice(line);
        self.book.command(line);
        let said = format!("{}{}", ran.out, ran.err);
        self.book.answer(&said, exact, beginnings);
        if ran.code != 0 {
            self.book.exit_code(ran.code);
        }
        ran
    }

    /// A job is called as its repository is.
    fn learn_names(&mut self) {
        for job in self.stage.jobs() {
            let repository = job["repository"].as_str().unwrap().trim_start_matches("acme/");
            self.book.name(id(&job), repository);
        }
    }

    /// Hands a request in from a file that its name is given by.
    fn submit(&mut self, name: &str, line: &[&str]) -> String {
        let ran = self.stage.json(line);
        let request = ran["request"].as_str().unwrap().to_owned();
        self.book.name(&request, name);
        self.learn_names();
        self.book.command(line);
        let told = format!(
            "request {request} is accepted: {} jobs of {}",
            ran["jobs"],
            ran["template"].as_str().unwrap()
        );
        self.book.answer(&told, false, &[]);
        request
    }

    fn request(&self, file: &str, template: &str, requester: &str, names: &[String]) {
        let names: Vec<String> = names.iter().map(|name| format!("acme/{name}")).collect();
        let body =
            json!({ "template": template, "requester": requester, "inputs": {}, "repositories": names });
        self.stage.write(file, body.to_string());
    }

    /// What the history has of a job's way.
    fn life(&mut self, job: &Value) {
        let shown = self.stage.json(&["show", id(job)]);
        let kinds = shown["history"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entry| entry["kind"].as_str()?.strip_prefix("job."));
        let way = kinds.map(|kind| kind.replace('_', " ")).collect::<Vec<_>>().join(", ");
        self.tell(&format!("{}: {way}", job["repository"].as_str().unwrap()));
    }

    /// Goes on until the jobs of a request are in these states.
    fn until_states(&mut self, request: &str, wanted: &[(&str, usize)]) {
        self.until(&format!("{request} with {wanted:?}"), |stage| {
            let states = states(stage, request);
            wanted.iter().all(|(state, jobs)| states.get(*state) == Some(jobs)).then_some(())
        });
    }

    /// Goes on until every job of a request has ended.
    fn until_ended(&mut self, request: &str) {
        let path = format!("/v1/requests/{request}");
        self.until("the end of a request", |stage| (stage.ask(&path)["ended"] == true).then_some(()));
    }

    /// Goes on until the waves of a request wait for something that is told with this text.
    fn until_waves_wait(&mut self, request: &str, text: &str) {
        let path = format!("/v1/requests/{request}/waves");
        self.until(&format!("waves that wait for {text}"), |stage| {
            stage.ask(&path)["waits_for"].as_str().unwrap().contains(text).then_some(())
        });
    }

    /// Goes on until a job waits for something that is told with this text.
    fn until_job_waits(&mut self, job: &Value, text: &str) {
        let path = format!("/v1/jobs/{}/why", id(job));
        self.until(&format!("a job that waits for {text}"), |stage| {
            stage.ask(&path)["wait"]["text"].as_str()?.contains(text).then_some(())
        });
    }
}

/// How many jobs of a request are in each state.
fn states(stage: &Stage, request: &str) -> BTreeMap<String, usize> {
    let view = stage.ask(&format!("/v1/requests/{request}"));
    let count = |row: &Value| {
        let jobs = usize::try_from(row["jobs"].as_u64().unwrap()).unwrap();
        (row["state"].as_str().unwrap().to_owned(), jobs)
    };
    view["states"].as_array().unwrap().iter().map(count).collect()
}

/// The jobs of a request, by repository.
fn of(stage: &Stage, request: &str) -> Vec<Value> {
    let mut jobs = stage.jobs();
    jobs.retain(|job| job["request"] == request);
    jobs.sort_by_key(|job| job["repository"].to_string());
    jobs
}

#[test]
fn a_week_of_three_teams_is_told_as_it_was_told_before() {
    let settings = setting::settings();
    let mut stage = setting::stage(&settings);
    stage.open();
    let now_ms = time::ms(setting::BEGINS);
    let mut week =
        Week { stage, book: Book::new(), now_ms, day: "", logging: String::new(), payments: String::new() };
    week.thursday();
    week.friday();
    week.weekend();
    week.monday();
    let Week { stage, mut book, .. } = week;
    let books = assert_sound(stage, &settings, &["pay-021"]);
    record::tell(&mut book, &books);
    compare(&book.text);
}

/// With the kept transcript, line by line.
#[expect(
    clippy::disallowed_methods,
    reason = "the switch that renews the transcript; read by this test only"
)]
fn compare(told: &str) {
    const RENEW: &str = "SLUICE_RENEW";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenario/golden/week.txt");
    if std::env::var_os(RENEW).is_some() {
        fs::write(&path, told).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = told.lines().zip(kept.lines()).position(|(new, old)| new != old);
    let line = differs.unwrap_or_else(|| told.lines().count().min(kept.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
    assert!(
        told == kept,
        "tests/scenario/golden/week.txt is told otherwise from line {}:\n  kept: {}\n  told: {}\n\
         look whether that is meant, then renew it with: {RENEW}=1 cargo test --features failpoints --test scenario week\n",
        line + 1,
        at(&kept),
        at(told)
    );
}
