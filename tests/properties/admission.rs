//! Admission: no sequence of takes, releases, pauses and passing time exceeds a limit, and each refusal is
//! true.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sluicegate::{
    budget::{
        Amount, Books, BudgetRule, Closure, Decision, Demand, Key, Kind, Member, Period, Pool, Refusal,
        RefusalKind, Release, Rules, Scope, Subject, Take, decide,
    },
    job::{Millis, Timestamp},
};

use crate::books::PlainBooks;

const PEOPLE: [&str; 3] = ["ana", "ben", "cyd"];
const POOL: &str = "reviewers";

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happening {
    Ask(Subject),
    GiveBack(prop::sample::Index, Release),
    Refund(prop::sample::Index),
    Pause(Key, Option<u64>),
    Resume,
    Wait(u64),
    SetLimit(prop::sample::Index, u32),
}

fn rule() -> impl Strategy<Value = BudgetRule> {
    let kind = prop::sample::select(vec![
        ("slots", Kind::Slots),
        ("unproven", Kind::Change),
        ("starts", Kind::Window),
        ("credits", Kind::Spend),
        ("retries", Kind::Count),
    ]);
    let period = prop_oneof![
        (1_u64..50).prop_map(|ms| Period::Rolling(Millis(ms))),
        Just(Period::Day),
        Just(Period::Month),
        Just(Period::Lifetime),
    ];
    let matching = prop::option::of(prop::sample::select(vec!["*", "acme", "acme/*", "acme/api"]));
    (kind, prop::sample::select(&Scope::ALL), matching, 0_u32..6, period).prop_map(
        |((name, kind), per, matching, limit, period)| BudgetRule {
            name: name.to_owned(),
            kind,
            per,
            matching: matching.map(str::to_owned),
            limit: Amount::from(limit),
            period,
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    let away = prop::collection::vec((0_i64..200, 1_i64..80), 0..2);
    let members = prop::collection::vec((0_u32..3, away), 1..=PEOPLE.len()).prop_map(|figures| {
        let member = |login: &str, limit: u32, away: Vec<(i64, i64)>| Member {
            login: login.to_owned(),
            limit: Amount::from(limit),
            away: away.into_iter().map(|(from, span)| (Timestamp(from), Timestamp(from + span))).collect(),
        };
        PEOPLE.into_iter().zip(figures).map(|(login, (limit, away))| member(login, limit, away)).collect()
    });
    (prop::collection::vec(rule(), 0..8), members).prop_map(|(budgets, members)| Rules {
        budgets,
        pools: BTreeMap::from([(POOL.to_owned(), Pool { name: POOL.to_owned(), members })]),
        ..Rules::default()
    })
}

fn subject() -> impl Strategy<Value = Subject> {
    let repository = prop::sample::select(vec!["acme/api", "acme/web", "other/api"]);
    let requester = prop::sample::select(vec!["Ana", "ben", "nobody"]);
    (repository, requester, any::<bool>(), 0_u32..4).prop_map(
        |(repository, requester, reviewed, estimate)| Subject {
            repository: repository.parse().unwrap(),
            template: "upgrade".into(),
            team: "platform".into(),
            identity: "bot".into(),
            model: "m".into(),
            request: "r".into(),
            requester: requester.into(),
            pool: reviewed.then(|| POOL.to_owned()),
            estimate: Amount::from(estimate),
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let release = prop::sample::select(vec![Release::AgentStops, Release::Change, Release::Settled]);
    let gate =
        prop::sample::select(vec![Key::gate(Scope::Global, ""), Key::gate(Scope::Organisation, "acme")]);
    prop_oneof![
        6 => subject().prop_map(Happening::Ask),
        3 => (any::<prop::sample::Index>(), release).prop_map(|(job, release)| Happening::GiveBack(job, release)),
        1 => any::<prop::sample::Index>().prop_map(Happening::Refund),
        1 => (gate, prop::option::of(1_u64..40)).prop_map(|(key, span)| Happening::Pause(key, span)),
        1 => Just(Happening::Resume),
        2 => (1_u64..60).prop_map(Happening::Wait),
        1 => (any::<prop::sample::Index>(), 0_u32..6).prop_map(|(rule, limit)| Happening::SetLimit(rule, limit)),
    ]
}

/// A budget may stand above its limit only because the limit was lowered; a start must not add to it.
fn assert_within_limits(books: &PlainBooks, takes: &[Take]) {
    for take in takes {
        let view = books.view(&take.key);
        assert!(view.limit.is_none_or(|limit| view.used <= limit), "{}: {view:?}", take.key);
        assert!(take.amount > Amount::ZERO && !take.key.is_gate(), "{take:?}");
    }
}

fn assert_true(books: &PlainBooks, demands: &[Demand], refusal: &Refusal) {
    let at = demands.iter().position(|demand| demand.key == refusal.key).unwrap();
    assert_eq!(refusal.need, demands[at].amount);
    let before = decide(books, &demands[..at], books.now);
    assert!(matches!(before, Decision::Admit(_)), "{refusal}: an earlier demand is not met");
    if refusal.key == Key::pool(POOL) {
        return assert_true_of_pool(books, &demands[at], refusal);
    }
    let view = books.view(&refusal.key);
    assert_eq!((refusal.used, refusal.limit), (view.used, view.limit));
    match refusal.kind {
        RefusalKind::Closed => {
            let closure = view.closed.unwrap();
            assert!(closure.opens_at.is_none_or(|at| books.now < at));
            assert_eq!(
                (refusal.clears_at, refusal.reason.as_ref()),
                (closure.opens_at, Some(&closure.reason))
            );
        }
        RefusalKind::OverLimit => assert!(refusal.need > view.limit.unwrap()),
        RefusalKind::Full => assert!(view.used.plus(refusal.need).unwrap() > view.limit.unwrap()),
        RefusalKind::NobodyAvailable => panic!("{refusal}"),
    }
}

fn assert_true_of_pool(books: &PlainBooks, demand: &Demand, refusal: &Refusal) {
    let members = books.members(&demand.key, books.now);
    let allowed = |login: &str| !demand.exclude.iter().any(|excluded| excluded.eq_ignore_ascii_case(login));
    let (mut used, mut limit, mut present) = (0, 0, 0);
    for member in members.iter().filter(|member| allowed(&member.login) && member.away_until.is_none()) {
        assert!(!member.view.fits(demand.amount), "{} was free", member.login);
        used += member.view.used.get();
        limit += member.view.limit.unwrap().get();
        present += 1;
    }
    let kind = if present == 0 { RefusalKind::NobodyAvailable } else { RefusalKind::Full };
    assert_eq!((refusal.kind, refusal.used.get(), refusal.limit.unwrap().get()), (kind, used, limit));
    assert!(refusal.clears_at.is_none_or(|at| books.now < at));
}

/// Whoever was chosen may review, is there, had room, and nobody who might be chosen had less to do.
fn assert_fair_choice(books: &PlainBooks, demands: &[Demand], takes: &[Take]) {
    for demand in demands.iter().filter(|demand| demand.key == Key::pool(POOL)) {
        let chosen =
            takes.iter().find(|take| take.key.pool_of_member().as_ref() == Some(&demand.key)).unwrap();
        let login = chosen.key.member_login().unwrap();
        let excluded = |login: &str| demand.exclude.iter().any(|other| other.eq_ignore_ascii_case(login));
        let members = books.members(&demand.key, books.now);
        let member = members.iter().find(|member| member.login == login).unwrap();
        assert!(!excluded(login) && member.away_until.is_none() && member.view.fits(demand.amount));
        let eligible = |other: &&sluicegate::budget::MemberView| {
            !excluded(&other.login) && other.away_until.is_none() && other.view.fits(demand.amount)
        };
        assert!(members.iter().filter(eligible).all(|other| member.view.used <= other.view.used));
    }
}

fn ask(books: &mut PlainBooks, job: usize, subject: &Subject) {
    let demands = books.rules.demands(subject);
    match decide(books, &demands, books.now) {
        Decision::Admit(takes) => {
            assert_fair_choice(books, &demands, &takes);
            let keys: Vec<Key> = takes.iter().map(|take| take.key.clone()).collect();
            let before = books.figures(&keys);
            books.take(job, takes.clone());
            assert_within_limits(books, &takes);
            // Hold then release changes nothing.
            let mut undone = books.clone();
            undone.refund(job);
            assert_eq!(undone.figures(&keys), before);
        }
        Decision::Refuse(refusal) => assert_true(books, &demands, &refusal),
    }
}

fn happen(books: &mut PlainBooks, jobs: &mut usize, happening: &Happening) {
    match happening {
        Happening::Ask(subject) => {
            *jobs += 1;
            ask(books, *jobs, subject);
        }
        Happening::GiveBack(job, release) => books.give_back(job.index(*jobs + 1), *release),
        Happening::Refund(job) => books.refund(job.index(*jobs + 1)),
        Happening::Pause(key, span) => {
            let opens_at = span.map(|span| books.now.plus(Millis(span)));
            let (reason, actor) = ("frozen".to_owned(), "ops".to_owned());
            books.closed.insert(key.clone(), Closure { reason, actor, since: books.now, opens_at });
        }
        Happening::Resume => books.closed.clear(),
        Happening::Wait(span) => books.now = books.now.plus(Millis(*span)),
        Happening::SetLimit(rule, limit) => {
            if !books.rules.budgets.is_empty() {
                let at = rule.index(books.rules.budgets.len());
                books.rules.budgets[at].limit = Amount::from(*limit);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_sequence_exceeds_a_limit_and_every_refusal_is_true(
        rules in rules(), happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut books = PlainBooks { rules, ..PlainBooks::default() };
        let mut jobs = 0;
        for happening in &happenings {
            happen(&mut books, &mut jobs, happening);
        }
    }

    /// Demands need not come from rules: the same budget, or the same pool, may be asked for more than once.
    #[test]
    fn what_one_job_asks_for_twice_is_counted_twice(
        limit in 0_u32..6, amounts in prop::collection::vec(0_u32..4, 1..5), places in 0_u32..3, reviews in 0_usize..5,
    ) {
        let slots = Key::scoped("slots", Scope::Global, "");
        let members = PEOPLE.map(|login| Member { login: login.into(), limit: Amount::from(places), away: Vec::new() });
        let pool = Pool { name: POOL.to_owned(), members: members.into() };
        let budget = BudgetRule {
            name: "slots".into(),
            kind: Kind::Slots,
            per: Scope::Global,
            matching: None,
            limit: Amount::from(limit),
            period: Period::Lifetime,
        };
        let rules = Rules { budgets: vec![budget], pools: BTreeMap::from([(POOL.to_owned(), pool)]), ..Rules::default() };
        let mut books = PlainBooks { rules, ..PlainBooks::default() };
        let demand = |key: &Key, amount: u32| Demand { amount: Amount::from(amount), ..Demand::gate(key.clone()) };
        let mut demands: Vec<Demand> = amounts.iter().map(|amount| demand(&slots, *amount)).collect();
        demands.extend((0..reviews).map(|_| demand(&Key::pool(POOL), 1)));
        let fits = amounts.iter().sum::<u32>() <= limit && reviews <= PEOPLE.len() * places as usize;
        match decide(&books, &demands, books.now) {
            Decision::Admit(takes) => {
                prop_assert!(fits);
                books.take(0, takes.clone());
                assert_within_limits(&books, &takes);
            }
            Decision::Refuse(refusal) => prop_assert!(!fits, "{refusal}"),
        }
    }
}
