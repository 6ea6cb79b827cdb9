//! The simulator's record against the ledger: what was really created, when it lived, and whether it was allowed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{aftermath::Books, stage::Stage};

/// A task as it really was.
struct Task {
    repository: String,
    job: String,
    from_ms: i64,
    /// None: it still lives.
    to_ms: Option<i64>,
}

impl Task {
    fn lives_at(&self, ms: i64) -> bool {
        self.from_ms <= ms && self.to_ms.is_none_or(|end| ms < end)
    }
}

fn list(stage: &Stage, path: &str) -> Vec<Value> {
    stage.control(path).as_array().unwrap().clone()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// When tasks were created.
pub fn created_ms(stage: &Stage) -> Vec<i64> {
    list(stage, "creates").iter().map(|create| create["at_ms"].as_i64().unwrap()).collect()
}

/// I2 and I3 by the record of an outsider.
pub fn assert_agrees(stage: &Stage, books: &Books, slots: u32, apart: &[&str]) {
    let authorised: BTreeSet<String> =
        books.attempts.values().flatten().map(|attempt| attempt.marker().to_string()).collect();
    let creates = list(stage, "creates");
    let mut markers = BTreeSet::new();
    let mut per_job: BTreeMap<String, usize> = BTreeMap::new();
    for create in &creates {
        let marker = text(create, "marker").to_owned();
        assert!(authorised.contains(&marker), "I2 nobody authorised {create}");
        *per_job.entry(job_of(&marker)).or_default() += 1;
        assert!(markers.insert(marker), "I2 one attempt, two tasks: {create}");
    }
    for (job, attempts) in &books.attempts {
        let made = per_job.get(&job.to_string()).copied().unwrap_or(0);
        assert!(made <= attempts.len(), "I2 job {job}: {made} tasks, {} attempts", attempts.len());
    }
    let tasks: Vec<Task> = list(stage, "tasks")
        .iter()
        .map(|task| Task {
            repository: text(task, "repository").trim_start_matches("acme/").to_owned(),
            job: job_of(text(task, "marker")),
            from_ms: task["created_ms"].as_i64().unwrap(),
            to_ms: task["ended_ms"].as_i64(),
        })
        .collect();
    let counted = |task: &&Task| !apart.contains(&task.repository.as_str());
    for create in &creates {
        let (at, job) = (create["at_ms"].as_i64().unwrap(), job_of(text(create, "marker")));
        let live = tasks.iter().filter(counted).filter(|task| task.lives_at(at)).count();
        assert!(live <= slots as usize, "I3 {live} tasks live at {create}");
        let own = tasks.iter().filter(|task| task.job == job && task.lives_at(at)).count();
        assert!(own <= 1, "I2 {own} tasks of one job live at {create}");
    }
}

fn job_of(marker: &str) -> String {
    marker.split('/').next().unwrap_or_default().to_owned()
}
