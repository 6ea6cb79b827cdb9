//! The GitHub client against the simulator over HTTP: two readings of one contract, which share no code.

#[cfg(test)]
mod bench {
    //! A simulator on a free port and a client for it, both on one clock that the test moves.

    use std::sync::Arc;

    use async_trait::async_trait;
    use sluicegate::{
        agent::{
            Agent, StartOrder,
            github::{GitHub, GitHubOptions, Identity},
        },
        clock::{Clock, ManualClock},
        job::{
            marker::Marker,
            remote::{Task, TaskId},
            repository::Repository,
            time::{Millis, Timestamp},
        },
        simulator::{Scenario, SimClock, Simulator},
    };
    use tokio::{net::TcpListener, sync::oneshot};

    pub const START: Timestamp = Timestamp(1_767_225_600_000);
    const PEOPLE: &str = r#"
        [[repositories]]
        match = "acme/*"
        collaborators = ["ana"]
        [[users]]
        login = "octo-operator"
        id = 1001
        [[tokens]]
        name = "operator"
        secret = "sim-token"
        user = "octo-operator"
        expires = "2026-06-01T12:00:00Z"
        [[tokens]]
        name = "reader"
        secret = "read-token"
        user = "octo-operator"
        default_access = "read"
        [[tokens]]
        name = "stale"
        secret = "old-token"
        user = "octo-operator"
        expires = "2025-01-01T00:00:00Z"
    "#;

    /// Sleepers wake at once, and take the simulator's time with them.
    struct Jumping(Arc<ManualClock>);

    #[async_trait]
    impl Clock for Jumping {
        fn now(&self) -> Timestamp {
            self.0.now()
        }
        async fn sleep_until(&self, at: Timestamp) {
            self.0.set(at);
        }
    }

    pub struct Bench {
        pub github: Arc<GitHub>,
        pub base: String,
        clock: Arc<ManualClock>,
        _stop: oneshot::Sender<()>,
    }

    /// A simulator that plays `story`, and a client that knows its three tokens.
    pub async fn bench(story: &str) -> Bench {
        let clock = Arc::new(ManualClock::new(START));
        let scenario = Scenario::from_toml(&format!("{story}\n{PEOPLE}"), "test.toml").unwrap();
        let simulator = Simulator::new(scenario, SimClock::Manual(clock.cell()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or_default() };
            simulator.serve_on(listener, shutdown).await.unwrap();
        });
        let identity = |name: &str, token: &str| Identity { name: name.to_owned(), token: token.into() };
        let options = GitHubOptions {
            base_url: base.clone(),
            identities: vec![
                identity("bot", "sim-token"),
                identity("reader", "read-token"),
                identity("stale", "old-token"),
            ],
            requests_per_hour_reserve_for_starts: 5,
            min_write_gap_ms: 0,
            ..GitHubOptions::default()
        };
        let github = GitHub::new(options, Arc::new(Jumping(Arc::clone(&clock)))).unwrap();
        Bench { github: Arc::new(github), base, clock, _stop: stop }
    }

    pub fn marker(nonce: u64) -> Marker {
        let text =
            format!("019fa000-0000-7000-8000-000000000001/019fa000-0000-7000-8000-000000000002/{nonce:016x}");
        text.parse().unwrap()
    }

    pub fn repository() -> Repository {
        "acme/api".parse().unwrap()
    }

    pub fn order(nonce: u64) -> StartOrder {
        StartOrder {
            repository: repository(),
            prompt: marker(nonce).stamp("Upgrade serde."),
            model: Some("gpt-5.4".to_owned()),
            create_pull_request: true,
            base_ref: Some("main".to_owned()),
            head_ref: None,
            custom_agent: None,
            send_before: sluicegate::job::Timestamp(i64::MAX),
        }
    }

    impl Bench {
        pub fn pass(&self, span: Millis) {
            self.clock.set(self.clock.now().plus(span));
        }
        pub fn now(&self) -> Timestamp {
            self.clock.now()
        }
        pub async fn observe(&self, task: &TaskId) -> Task {
            self.github.observe("bot", task).await.unwrap()
        }
        pub fn count(&self, endpoint: &str, result: &str) -> u64 {
            let counters = self.github.counters();
            counters.iter().find(|(e, r, _)| e == endpoint && r == result).map_or(0, |(_, _, n)| *n)
        }
        /// The simulator's own record of the creates that took effect.
        pub async fn creates(&self) -> serde_json::Value {
            let answer = reqwest::get(format!("{}/_control/creates", self.base)).await.unwrap();
            answer.json().await.unwrap()
        }
        pub async fn change(&self, what: &str, body: &'static str) {
            let url = format!("{}/_control/{what}", self.base);
            let answer = reqwest::Client::new().post(url).body(body).send().await.unwrap();
            assert!(answer.status().is_success(), "{what}: {}", answer.status());
        }
        pub async fn force(&self, what: &str) {
            let url = format!("{}/_control/{what}", self.base);
            let answer = reqwest::Client::new().post(url).send().await.unwrap();
            assert!(answer.status().is_success(), "{what}: {}", answer.status());
        }
    }
}

#[cfg(test)]
mod tests {
    use sluicegate::{
        agent::{Agent, FailKind, Forge, Found},
        job::{
            pull::Checks,
            remote::{RemoteState, TaskId},
            time::{Millis, Timestamp},
        },
    };

    use crate::bench::*;

    const MINUTE: Millis = Millis::minutes(1);

    #[tokio::test]
    async fn a_task_is_followed_from_its_start_to_its_merged_pull_request() {
        let story = r#"
            [defaults]
            review = "merged"
            review_starts = "requested"
            files = ["Cargo.toml", "src/lib.rs"]
        "#;
        let bench = bench(story).await;
        let (github, repository) = (&bench.github, repository());
        let started = github.start("bot", &order(7)).await.unwrap();
        let creates = bench.creates().await;
        assert_eq!(creates[0]["marker"], marker(7).to_string());
        assert_eq!(
            (&creates[0]["model"], &creates[0]["create_pull_request"]),
            (&"gpt-5.4".into(), &true.into())
        );

        let active = github.list_changed("bot", None, true).await.unwrap();
        assert_eq!(active.iter().map(|task| &task.id).collect::<Vec<_>>(), [&started.id]);
        bench.pass(MINUTE);
        assert_eq!(github.list_changed("bot", None, true).await.unwrap().len(), 0);
        let changed = github.list_changed("bot", Some(started.created_at), false).await.unwrap();
        assert_eq!((changed[0].state.clone(), changed.len()), (RemoteState::Completed, 1));
        assert_eq!(github.list_changed("bot", Some(bench.now()), false).await.unwrap().len(), 0);

        let task = bench.observe(&started.id).await;
        assert!(task.carries(&marker(7)) && task.nano_credits() > Some(0));
        let branch = task.branch().unwrap();
        let pull =
            github.find_pull("bot", &repository, branch, task.pull_database_id()).await.unwrap().unwrap();
        assert_eq!((Some(pull.database_id), pull.head_ref.as_str()), (task.pull_database_id(), branch));
        assert!(pull.open && pull.draft && !pull.merged && pull.author.is_some());
        assert_eq!(github.find_pull("bot", &repository, branch, Some(1)).await.unwrap(), None);
        assert_eq!(github.find_pull("bot", &repository, "copilot/nothing", None).await.unwrap(), None);
        let paths = github.changed_paths("bot", &repository, pull.number).await.unwrap();
        assert_eq!(paths, ["Cargo.toml", "src/lib.rs"]);
        assert_eq!(github.checks("bot", &repository, &pull.head_sha).await.unwrap(), Checks::Green);

        github.add_labels("bot", &repository, pull.number, &["agent".to_owned()]).await.unwrap();
        github.request_review("bot", &repository, pull.number, "ana").await.unwrap();
        github.request_review("bot", &repository, pull.number, "ana").await.unwrap();
        let pull = github.pull("bot", &repository, pull.number).await.unwrap();
        assert_eq!(
            (pull.labels, pull.requested_reviewers),
            (vec!["agent".to_owned()], vec!["ana".to_owned()])
        );
        bench.pass(MINUTE);
        let pull = github.pull("bot", &repository, pull.number).await.unwrap();
        assert_eq!((pull.merged, pull.open, pull.merged_by.as_deref()), (true, false, Some("ana")));
    }

    /// The faults of a start whose answer is lost although it took effect.
    const LOST: [&str; 3] = ["status = 502", "status = 500", "drop = true"];

    fn fault(when: &str, what: &str) -> String {
        format!("[[faults]]\nwhen = \"{when}\"\n{what}\ntimes = 1\nmatch = {{ method = \"POST\" }}")
    }

    #[tokio::test]
    async fn a_start_whose_answer_was_lost_is_found_by_its_marker() {
        for what in LOST {
            let bench = bench(&fault("after", what)).await;
            let before = bench.now();
            let error = bench.github.start("bot", &order(7)).await.unwrap_err();
            assert_eq!(error.kind, FailKind::Ambiguous, "{what}: {error}");
            let find =
                async |nonce| bench.github.find("bot", &repository(), &marker(nonce), before).await.unwrap();
            // No session yet: inconclusive, not absent.
            let early = find(7).await;
            assert_eq!((early.tasks.len(), early.unreadable), (0, 1), "{what}");
            bench.pass(MINUTE);
            let found = find(7).await;
            let creates = bench.creates().await;
            assert_eq!((found.tasks.len(), found.unreadable), (1, 0), "{what}");
            assert_eq!(creates.as_array().unwrap().len(), 1, "{what}");
            assert_eq!(creates[0]["task_id"], found.tasks[0].id.0);
            assert_eq!(find(8).await, Found::default(), "{what}");
        }
    }

    #[tokio::test]
    async fn a_start_that_was_lost_before_it_took_effect_is_proven_absent() {
        for what in LOST {
            let bench = bench(&fault("before", what)).await;
            let error = bench.github.start("bot", &order(7)).await.unwrap_err();
            assert_eq!(error.kind, FailKind::Ambiguous, "{what}: {error}");
            bench.pass(MINUTE);
            let found = bench.github.find("bot", &repository(), &marker(7), START).await.unwrap();
            assert_eq!((found, bench.creates().await), (Found::default(), serde_json::json!([])), "{what}");
        }
    }

    #[tokio::test]
    async fn a_task_that_someone_archived_is_still_found() {
        let bench = bench("").await;
        let task = bench.github.start("bot", &order(7)).await.unwrap();
        bench.pass(MINUTE);
        bench.force(&format!("tasks/{}/archive", task.id)).await;
        let found = bench.github.find("bot", &repository(), &marker(7), START).await.unwrap();
        assert_eq!(found.tasks.len(), 1);
    }

    #[tokio::test]
    async fn lists_of_several_pages_hold_every_task_once() {
        let bench = bench("").await;
        for nonce in 0..205 {
            bench.github.start("bot", &order(nonce)).await.unwrap();
        }
        let tasks = bench.github.list_changed("bot", None, true).await.unwrap();
        assert_eq!((tasks.len(), bench.count("tasks", "ok")), (205, 3));
    }

    #[tokio::test]
    async fn an_unchanged_task_costs_no_request_budget() {
        let bench = bench("[limits]\nrequests_per_hour = 60").await;
        let task = bench.github.start("bot", &order(7)).await.unwrap();
        bench.pass(MINUTE);
        let seen = bench.observe(&task.id).await;
        let left = bench.github.probe("bot").await.unwrap().requests_left;
        for _ in 0..20 {
            assert_eq!(bench.observe(&task.id).await, seen);
        }
        assert_eq!(bench.count("task", "not_modified"), 20);
        // The probe's own question about the token is unchanged too.
        assert_eq!(bench.github.probe("bot").await.unwrap().requests_left, left);
    }

    #[tokio::test]
    async fn reads_leave_the_reserve_to_starts_and_come_back_when_the_hour_is_over() {
        let bench = bench("[limits]\nrequests_per_hour = 12\n[server]\netags = false").await;
        let task = TaskId("00000000-0000-0000-0000-000000000000".to_owned());
        let mut asked = 0;
        let until = loop {
            match bench.github.observe("bot", &task).await.unwrap_err().kind {
                FailKind::NotFound => asked += 1,
                FailKind::RateLimited { until } => break until,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((asked, bench.count("task", "held_back")), (7, 1));
        for nonce in 0..5 {
            bench.github.start("bot", &order(nonce)).await.unwrap();
        }
        let refused = bench.github.start("bot", &order(9)).await.unwrap_err();
        assert_eq!(refused.kind, FailKind::RateLimited { until });
        assert_eq!(
            (bench.count("start", "ok"), bench.count("start", "rate_limited")),
            (5, 0),
            "not even asked"
        );
        bench.pass(until.since(bench.now()));
        bench.github.start("bot", &order(9)).await.unwrap();
    }

    #[tokio::test]
    async fn a_secondary_limit_is_obeyed_to_the_second() {
        for status in [403, 429] {
            let limits = format!("creates_per_minute = 2\nsecondary_status = {status}");
            let bench = bench(&format!("[limits]\n{limits}")).await;
            bench.github.start("bot", &order(1)).await.unwrap();
            bench.github.start("bot", &order(2)).await.unwrap();
            let refused = bench.github.start("bot", &order(3)).await.unwrap_err();
            let FailKind::RateLimited { until } = refused.kind else { panic!("{refused}") };
            assert!(until > bench.now() && until <= bench.now().plus(Millis::seconds(61)), "{until}");
            bench.pass(until.since(bench.now()));
            bench.github.start("bot", &order(3)).await.unwrap();
            assert_eq!(bench.creates().await.as_array().unwrap().len(), 3);
        }
    }

    #[tokio::test]
    async fn a_read_survives_trouble_that_passes() {
        let faults = "[[faults]]\nstatus = 503\ntimes = 1\nmatch = { method = \"GET\" }\n\
                      [[faults]]\ndrop = true\ntimes = 1\nmatch = { method = \"GET\", nth = 2 }";
        let bench = bench(faults).await;
        assert_eq!(bench.github.list_changed("bot", None, false).await.unwrap(), []);
        assert_eq!((bench.count("tasks", "ambiguous"), bench.count("tasks", "ok")), (2, 1));
    }

    #[tokio::test]
    async fn a_state_that_nobody_published_is_kept_as_it_came() {
        let bench = bench("[defaults]\noutcome = \"unknown_state\"").await;
        let task = bench.github.start("bot", &order(7)).await.unwrap();
        bench.pass(MINUTE);
        assert_eq!(bench.observe(&task.id).await.state, RemoteState::Unknown("hibernating".to_owned()));
    }

    #[tokio::test]
    async fn a_workflow_that_waits_for_approval_is_not_green() {
        let bench = bench("[[repositories]]\nmatch = \"acme/api\"\nworkflow_approval = true").await;
        let task = bench.github.start("bot", &order(7)).await.unwrap();
        bench.pass(MINUTE);
        let branch = bench.observe(&task.id).await.branch().unwrap().to_owned();
        let pull = bench.github.find_pull("bot", &repository(), &branch, None).await.unwrap().unwrap();
        let checks = bench.github.checks("bot", &repository(), &pull.head_sha).await.unwrap();
        assert_eq!(checks, Checks::ActionRequired);
    }

    #[tokio::test]
    async fn tokens_are_told_apart_by_what_they_can_do() {
        let bench = bench("").await;
        let probe = bench.github.probe("bot").await.unwrap();
        assert_eq!((probe.login.as_str(), probe.user_id), ("octo-operator", 1001));
        assert_eq!(probe.expires_at, Timestamp::parse("2026-06-01T12:00:00Z"));
        let forbidden = bench.github.start("reader", &order(7)).await.unwrap_err();
        assert_eq!(forbidden.kind, FailKind::Forbidden);
        assert!(forbidden.to_string().contains("agent_tasks=write"), "{forbidden}");
        let stale = bench.github.probe("stale").await.unwrap_err();
        assert_eq!(stale.kind, FailKind::Unauthorised, "{stale}");
        let mut hidden = order(7);
        hidden.repository = "elsewhere/api".parse().unwrap();
        assert_eq!(bench.github.start("bot", &hidden).await.unwrap_err().kind, FailKind::NotFound);
        let stranger = bench.github.request_review("bot", &repository(), 1, "nobody").await.unwrap_err();
        assert_eq!(stranger.kind, FailKind::NotFound, "no such pull request: {stranger}");
    }

    #[tokio::test]
    async fn a_start_that_is_refused_says_why() {
        let bench = bench("").await;
        let mut order = order(7);
        order.prompt = String::new();
        let error = bench.github.start("bot", &order).await.unwrap_err();
        assert_eq!(error.kind, FailKind::Invalid, "{error}");
        assert!(error.to_string().contains("prompt"), "{error}");
    }
}

#[cfg(test)]
#[path = "github_client_simulator/atlas.rs"]
mod atlas;

#[cfg(test)]
#[path = "github_client_simulator/comments.rs"]
mod comments;
