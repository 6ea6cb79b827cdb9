//! What the scripts are asked, from the words of the port. A class is told as a template, which many classes share, and
//! its own values: the request and the repository in its keys.

use std::collections::{HashMap, HashSet};

use crate::{
    budget::{Amount, Class, ClassId, Demand, Key, Rules, Truth, demand::digest, key::POOL},
    gate::{Offer, Verdict, redis::packed::Packer},
    job::{id::JobId, time::Timestamp},
};

/// What a class asks for, in two parts.
struct Definition {
    template: Packer,
    own: Vec<String>,
}

/// The members of the pool that must not be chosen, by name: others who are excluded change nothing.
fn excluded<'a>(demand: &Demand, rules: &'a Rules) -> Vec<&'a str> {
    let members = rules.pool(&demand.key).into_iter().flat_map(|pool| &pool.members);
    let logins = members.map(|member| member.login.as_str());
    logins.filter(|login| demand.excludes(login)).collect()
}

fn hash(bytes: &[u8]) -> [u8; 8] {
    digest(bytes).to_be_bytes()
}

/// Whether each budget is asked for once and none is a pool.
fn is_plain(class: &Class) -> bool {
    let keys: HashSet<&Key> = class.demands.iter().map(|demand| &demand.key).collect();
    keys.len() == class.demands.len() && !keys.into_iter().any(|key| key.name() == POOL)
}

/// Takes nothing, so that nothing but a closure makes it refuse.
fn is_gate(demand: &Demand) -> bool {
    demand.key.is_gate() && demand.amount == Amount::ZERO
}

fn define(class: &Class, rules: &Rules) -> Definition {
    let mut own: Vec<String> = Vec::new();
    let plain = is_plain(class);
    // One after another, or each as a list of its own.
    let size = |demands: usize| if plain { 4 * demands } else { demands };
    let (mut demands, mut shared) = (Packer::default().list(size(class.demands.len())), Packer::default());
    let gates = class.demands.iter().filter(|demand| is_gate(demand)).count();
    let mut charged = Packer::default().list(size(class.demands.len() - gates));
    for demand in class.demands.iter() {
        let key = demand.key.as_str();
        let value = demand.key.own_value();
        let text = value.and_then(|value| key.strip_suffix(value)).unwrap_or(key);
        let logins = excluded(demand, rules);
        let ask = |packer: Packer| {
            let packer = packer.bytes(text.as_bytes()).number(demand.amount.as_i64());
            if logins.is_empty() {
                return packer.flag(false);
            }
            let packer = packer.list(logins.len());
            logins.iter().fold(packer, |packer, login| packer.bytes(login.as_bytes()))
        };
        let number = value.map(|value| {
            own.iter().position(|known| known == value).unwrap_or_else(|| {
                own.push(value.to_owned());
                own.len() - 1
            })
        });
        if number.is_none() {
            shared = ask(shared);
        }
        let limit = rules.limit(&demand.key).map(Amount::as_i64);
        let number = number.and_then(|number| i64::try_from(number + 1).ok());
        let packed = if plain {
            Packer::default().bytes(text.as_bytes()).number(demand.amount.as_i64())
        } else {
            ask(Packer::default().list(5))
        };
        let packed = packed.number_or_false(limit).number_or_false(number);
        demands = demands.packed(&packed);
        if !is_gate(demand) {
            charged = charged.packed(&packed);
        }
    }
    let shape = hash(&shared.into_bytes());
    let demands = demands.into_bytes();
    let template = if plain {
        Packer::default().list(3).bytes(&shape).packed(&charged).bytes(&demands)
    } else {
        Packer::default().list(4).bytes(&shape).flag(false).bytes(&demands).bytes(&charged.into_bytes())
    };
    Definition { template, own }
}

/// Jobs with what their classes ask for, in order of acceptance.
pub(super) fn offers(offers: &[Offer], rules: &Rules) -> Vec<u8> {
    let mut templates: Vec<Vec<u8>> = Vec::new();
    let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut classes: HashMap<ClassId, usize> = HashMap::new();
    let (mut definitions, mut entries) = (Packer::default(), Packer::default().list(7 * offers.len()));
    for offer in offers {
        let count = classes.len();
        let class = *classes.entry(offer.class.id).or_insert_with(|| {
            let Definition { template, own } = define(&offer.class, rules);
            let code = template.into_bytes();
            let number = *numbers.entry(code.clone()).or_insert_with(|| {
                templates.push(code.clone());
                templates.len()
            });
            let packer = std::mem::take(&mut definitions).bytes(&class_id(offer.class.id));
            let values = Packer::default().list(own.len());
            let values = own.iter().fold(values, |packer, value| packer.bytes(value.as_bytes()));
            let packer = packer.bytes(&hash(&code)).bytes(&values.into_bytes());
            definitions = packer.number(size(number));
            count + 1
        });
        entries = entries.bytes(offer.job.as_bytes()).number(size(class));
        entries = entries.number(i64::from(offer.band)).bytes(offer.flow.as_bytes());
        entries = entries.number(i64::from(offer.weight)).bytes(&order(offer.order));
        entries = entries.number_or_false(offer.due_at.map(|at| at.0));
    }
    let codes =
        templates.iter().fold(Packer::default().list(templates.len()), |packer, code| packer.bytes(code));
    let classes = Packer::default().list(4 * classes.len()).packed(&definitions);
    Packer::default().list(3).packed(&codes).packed(&classes).packed(&entries).into_bytes()
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Sorts as the number does.
fn order(order: i64) -> [u8; 8] {
    (order.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// Sorts as the id does.
pub(super) fn class_id(id: ClassId) -> [u8; 8] {
    id.0.to_be_bytes()
}

pub(super) fn jobs(jobs: &[JobId]) -> Vec<u8> {
    jobs.iter()
        .fold(Packer::default().list(jobs.len()), |packer, job| packer.bytes(job.as_bytes()))
        .into_bytes()
}

/// The ledger's figures: those without a closure, then those with one.
pub(super) fn truths(truths: &[Truth]) -> Packer {
    let (mut figures, mut closures) = (Packer::default(), Packer::default());
    let mut open = 0;
    for truth in truths {
        let key = truth.key.as_str().as_bytes();
        if let Some(closed) = &truth.closed {
            let packer = closures.bytes(key).number(truth.used.as_i64());
            closures = packer
                .number_or_false(truth.limit.map(Amount::as_i64))
                .list(4)
                .bytes(closed.reason.as_bytes())
                .bytes(closed.actor.as_bytes())
                .number(closed.since.0)
                .number_or_false(closed.opens_at.map(|at| at.0))
                .number(truth.version);
        } else {
            figures = figures.bytes(key).bytes(&figure(truth));
            open += 1;
        }
    }
    let packer = Packer::default().list(2).list(2 * open).packed(&figures);
    packer.list(5 * (truths.len() - open)).packed(&closures)
}

/// The record of a budget up to its limit: whether there is one; version, used and limit as seven bytes each.
fn figure(truth: &Truth) -> Vec<u8> {
    let limit = truth.limit.map(Amount::as_i64);
    let mut bytes = vec![if limit.is_some() { 3 } else { 1 }];
    for number in [truth.version, truth.used.as_i64(), limit.unwrap_or(0)] {
        bytes.extend(number.to_be_bytes().iter().skip(1));
    }
    bytes
}

/// The ledger's answers; the words of a refusal travel as JSON.
pub(super) fn verdicts(verdicts: &[(JobId, u64, Verdict)], told: &[Truth]) -> Vec<u8> {
    let packer = Packer::default().list(2).list(5 * verdicts.len());
    let packer = verdicts.iter().fold(packer, |packer, (job, token, verdict)| {
        let packer = packer.bytes(job.as_bytes());
        let packer = packer.number(i64::try_from(*token).unwrap_or(i64::MAX));
        let kind = match verdict {
            Verdict::Admitted => 1,
            Verdict::Refused(_) => 2,
            Verdict::Gone => 3,
            Verdict::Unanswered => 4,
        };
        match verdict {
            Verdict::Refused(refusal) => {
                let words = serde_json::to_vec(refusal).unwrap_or_default();
                packer.number(kind).bytes(refusal.key.as_str().as_bytes()).bytes(&words)
            }
            _ => packer.number(kind).flag(false).flag(false),
        }
    });
    packer.packed(&truths(told)).into_bytes()
}

/// The pools of the rules, each member with key, limit and absences.
pub(super) fn pools(rules: &Rules) -> Vec<u8> {
    let packer = Packer::default().list(rules.pools.len());
    let packed = rules.pools.iter().fold(packer, |packer, (name, pool)| {
        let packer = packer.list(2).bytes(Key::pool(name).as_str().as_bytes()).list(pool.members.len());
        pool.members.iter().fold(packer, |packer, member| {
            let key = Key::member(name, &member.login);
            let packer = packer.list(4).bytes(member.login.as_bytes()).bytes(key.as_str().as_bytes());
            let packer = packer.number(member.limit.as_i64()).list(2 * member.away.len());
            let times = member.away.iter().flat_map(|(from, to)| [from, to]);
            times.fold(packer, |packer, Timestamp(at)| packer.number(*at))
        })
    });
    packed.into_bytes()
}
