//! Who may work where: each reason is found when its facts are there, and whatever is denied in addition never allows more.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sluicegate::{
    budget::{Amount, Member, Pool},
    job::{Repository, Timestamp},
    policy::{
        Decision, Outcome, RepositoryFacts, RepositoryRules, Template,
        eligibility::{Case, adopted, judge, wanted},
        facts::{About, AgentSettings, FileFact, OpenPull},
    },
};

const TEMPLATE: &str = r#"
name = "bump"
version = 1
summary = "For tests"
owner = "dana"
team = "platform"
repositories = ["*"]
labels = ["agent", "deps"]
estimate_credits = 1
prompt = "Do it."
[scope]
may_change = ["src/**"]
"#;

fn template(requires: &str) -> Template {
    Template::parse("bump/1.toml", &format!("{TEMPLATE}\n[requires]\n{requires}")).unwrap()
}

fn good() -> RepositoryFacts {
    let mut facts = RepositoryFacts {
        visible: Some(true),
        about: Some(About {
            full_name: Some("Acme/API".to_owned()),
            can_push: Some(true),
            default_branch: "main".to_owned(),
            ..About::default()
        }),
        agent: Some(AgentSettings::Enabled { workflow_approval: false, firewall: true }),
        codeowners: Some("/src/ @acme/core\n".to_owned()),
        pulls: Some(Vec::new()),
        ..RepositoryFacts::default()
    };
    facts
        .files
        .insert("Cargo.toml".to_owned(), FileFact::Text("[dependencies]\nserde = \"1.0.2\"\n".to_owned()));
    facts
}

fn pull(labels: &[&str]) -> OpenPull {
    OpenPull {
        number: 7,
        head_ref: "copilot/x".to_owned(),
        base_ref: "main".to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        html_url: None,
    }
}

fn pools() -> BTreeMap<String, Pool> {
    let member = |login: &str, away: Vec<(Timestamp, Timestamp)>| Member {
        login: login.into(),
        limit: Amount::from(1),
        away,
    };
    let away = vec![(Timestamp(0), Timestamp(1_000))];
    let pool = |name: &str, members| (name.to_owned(), Pool { name: name.to_owned(), members });
    [
        pool("present", vec![member("carla", Vec::new()), member("ana", Vec::new())]),
        pool("away", vec![member("carla", Vec::new()), member("ana", away)]),
        pool("alone", vec![member("Carla", Vec::new())]),
    ]
    .into()
}

fn rules(line: &str) -> RepositoryRules {
    RepositoryRules::parse("r.toml", &format!("[[repository]]\nmatch = \"acme/*\"\n{line}\n")).unwrap()
}

fn judged(template: &Template, rules: &RepositoryRules, facts: &RepositoryFacts) -> Decision {
    let repository: Repository = "acme/api".parse().unwrap();
    let pools = pools();
    let case = Case {
        repository: &repository,
        template,
        rules,
        rule: rules.of(&repository),
        facts,
        requester: "carla",
        pools: &pools,
        now: Timestamp(500),
    };
    Decision { findings: judge(&case) }
}

#[test]
fn nothing_is_found_where_everything_is_right() {
    let template = template(
        "files = [\"Cargo.toml\"]\nmanifest = { file = \"Cargo.toml\", key = \"dependencies.serde\", version = \">=1\" }\ngreen_checks = true\nowners = true",
    );
    let rules = rules("on_open_pull = \"skip\"\nowners_pool = \"present\"\ntemplates = [\"bu*\"]");
    assert_eq!(judged(&template, &rules, &good()), Decision::default());
    // Nor where nothing was asked.
    assert_eq!(judged(&template, &rules, &RepositoryFacts::default()), Decision::default());
}

type Change = fn(&mut RepositoryFacts);
/// Reason, outcome, `[requires]`, lines of the rule, and what is otherwise about the repository.
type Expected = (&'static str, Outcome, &'static str, &'static str, Change);

const HIDDEN: Change = |facts| facts.agent = Some(AgentSettings::Hidden);
const CLICK: Change =
    |facts| facts.agent = Some(AgentSettings::Enabled { workflow_approval: true, firewall: true });
const OPEN: Change = |facts| facts.pulls = Some(vec![pull(&["deps", "Agent", "x"])]);
const SERDE_2: &str = "manifest = { file = \"Cargo.toml\", key = \"dependencies.serde\", version = \">=2\" }";

fn about(facts: &mut RepositoryFacts) -> &mut About {
    facts.about.as_mut().unwrap()
}

fn by_facts() -> Vec<Expected> {
    use Outcome::{Allow, Deny, NeedsApproval};
    vec![
        ("not-found", Deny, "", "", |facts| facts.visible = Some(false)),
        ("repository-moved", Deny, "", "", |facts| about(facts).full_name = Some("acme/core".into())),
        ("repository-archived", Deny, "", "", |facts| about(facts).archived = true),
        ("repository-disabled", Deny, "", "", |facts| about(facts).disabled = true),
        ("no-write-access", Deny, "", "", |facts| about(facts).can_push = Some(false)),
        ("agent-disabled", Deny, "", "", |facts| facts.agent = Some(AgentSettings::Disabled)),
        ("agent-settings-hidden", Allow, "", "", HIDDEN),
        ("agent-settings-hidden", NeedsApproval, "green_checks = true", "", HIDDEN),
        ("ci-waits-for-click", NeedsApproval, "green_checks = true", "", CLICK),
        ("open-agent-pull", Deny, "", "on_open_pull = \"skip\"", OPEN),
        ("open-agent-pull", Allow, "", "on_open_pull = \"adopt\"", OPEN),
        ("incompatible", Deny, "files = [\"Makefile\"]", "", |facts| {
            facts.files.insert("Makefile".into(), FileFact::Absent);
        }),
        ("facts-hidden", Deny, "owners = true", "", |facts| {
            facts.hidden.insert("codeowners".into());
        }),
        ("no-owner-available", Deny, "owners = true", "", |facts| {
            facts.codeowners = Some("/docs/ @ana\n".into());
        }),
    ]
}

fn by_rules() -> Vec<Expected> {
    use Outcome::{Deny, NeedsApproval};
    let plain: Change = |_| {};
    vec![
        ("incompatible", Deny, SERDE_2, "", plain),
        ("no-owner-available", Deny, "", "owners = [\"carla\"]", plain),
        ("no-owner-available", Deny, "", "owners_pool = \"alone\"", plain),
        ("no-owner-available", NeedsApproval, "", "owners_pool = \"away\"", plain),
        ("template-not-eligible", Deny, "", "templates = [\"other-*\"]", plain),
        ("class-needs-approval", NeedsApproval, "", "class = \"regulated\"", plain),
    ]
}

#[test]
fn every_reason_is_found_by_its_facts() {
    for (reason, outcome, requires, line, change) in by_facts().into_iter().chain(by_rules()) {
        let mut facts = good();
        change(&mut facts);
        let decision = judged(&template(requires), &rules(line), &facts);
        let found: Vec<(&str, Outcome)> =
            decision.findings.iter().map(|finding| (finding.reason.as_str(), finding.outcome)).collect();
        assert_eq!(found, [(reason, outcome)], "{requires} {line}");
    }
}

#[test]
fn an_unrelated_pull_request_is_no_reason_and_one_is_adopted_only_where_the_rule_says_so() {
    let template = template("");
    let repository: Repository = "acme/api".parse().unwrap();
    let pools = pools();
    for (labels, line, expected) in [
        (vec!["deps"], "on_open_pull = \"adopt\"", None),
        (vec!["deps", "agent"], "on_open_pull = \"adopt\"", Some(7)),
        (vec!["deps", "agent"], "on_open_pull = \"skip\"", None),
        (vec!["deps", "agent"], "", None),
    ] {
        let rules = rules(line);
        let facts = RepositoryFacts { pulls: Some(vec![pull(&labels)]), ..good() };
        let case = Case {
            repository: &repository,
            template: &template,
            rules: &rules,
            rule: rules.of(&repository),
            facts: &facts,
            requester: "carla",
            pools: &pools,
            now: Timestamp(500),
        };
        assert_eq!(adopted(&case).map(|pull| pull.number), expected, "{labels:?} {line}");
    }
}

#[test]
fn only_what_is_judged_is_wanted() {
    assert!(wanted(&template(""), None).is_nothing());
    let ruled = rules("");
    let rule = ruled.of(&"acme/api".parse().unwrap());
    let wanted = wanted(&template(""), rule);
    assert!(wanted.about && wanted.agent && !wanted.pulls && !wanted.languages && wanted.files.is_empty());
}

prop_compose! {
    fn any_facts()(
        flags in proptest::collection::vec(any::<bool>(), 8),
        agent in 0..4_u8,
        owners in 0..3_u8,
    ) -> RepositoryFacts {
        let mut facts = good();
        facts.visible = Some(!(flags[0] && flags[1] && flags[2]));
        if let Some(about) = &mut facts.about {
            about.archived = flags[0];
            about.disabled = flags[1];
            about.can_push = Some(!flags[2]);
        }
        facts.agent = match agent {
            0 => None,
            1 => Some(AgentSettings::Disabled),
            2 => Some(AgentSettings::Hidden),
            _ => Some(AgentSettings::Enabled { workflow_approval: flags[3], firewall: true }),
        };
        if flags[4] {
            facts.pulls = Some(vec![pull(&["deps", "agent"])]);
        }
        if flags[5] {
            facts.files.insert("Makefile".to_owned(), FileFact::Absent);
        }
        if flags[6] {
            facts.hidden.insert("codeowners".to_owned());
        }
        facts.codeowners = ["", "* @carla", "* @ana"].get(usize::from(owners)).map(|text| (*text).to_owned());
        facts
    }
}

/// A rule or a requirement that forbids more than nothing does.
const STRICTER: [(&str, &str); 7] = [
    ("", "templates = [\"none-*\"]"),
    ("", "class = \"regulated\""),
    ("", "on_open_pull = \"skip\""),
    ("", "owners_pool = \"alone\""),
    ("files = [\"Makefile\"]", ""),
    ("green_checks = true", ""),
    ("owners = true", ""),
];

proptest! {
    #[test]
    fn a_broader_denial_never_allows_more(facts in any_facts(), picked in proptest::collection::vec(0..STRICTER.len(), 0..4)) {
        let both = |picked: &[usize]| {
            let mut lines = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
            for at in picked {
                lines.0.insert(STRICTER[*at].0);
                lines.1.insert(STRICTER[*at].1);
            }
            let join = |lines: std::collections::BTreeSet<&str>| lines.into_iter().collect::<Vec<_>>().join("\n");
            (template(&join(lines.0)), rules(&join(lines.1)))
        };
        for more in 0..=picked.len() {
            let (template, rules) = both(&picked[..more]);
            let milder = judged(&template, &rules, &facts).outcome();
            let (template, rules) = both(&picked);
            let stricter = judged(&template, &rules, &facts).outcome();
            prop_assert!(stricter >= milder, "{picked:?} {more}: {milder:?} then {stricter:?}");
        }
    }
}
