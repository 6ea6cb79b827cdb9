//! What the scripts answer, in the words of the port. Why a job waits is decided here, by the rules that every decision
//! follows and from the figures that the script has read, so that the words and figures are those of every gate.

use std::collections::HashMap;

use crate::{
    budget::{
        Amount, Books, ClassId, Closure, Decision, Demand, Expiry, Key, Member, MemberView, Refusal, Release,
        View, decide,
    },
    gate::{
        Counts, Place, Proposal, Proposals, WaitReason, kept_room,
        redis::packed::{Unreadable, Value},
    },
    job::{id::JobId, time::Timestamp},
};

/// The figures of the moment, as the class of one job may use them.
struct Told {
    views: HashMap<Key, View>,
    /// Room kept for another class.
    kept: HashMap<Key, (Timestamp, Timestamp)>,
    pools: HashMap<Key, Vec<(Key, Member)>>,
    now: Timestamp,
}

impl Books for Told {
    fn view(&self, key: &Key) -> View {
        let mut view = self.views.get(key).cloned().unwrap_or_default();
        // A closure whose time has passed is none.
        if let (None, Some((since, until))) = (view.closed_at(self.now), self.kept.get(key)) {
            view.closed = Some(kept_room(*since, *until));
        }
        view
    }
    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        let members = self.pools.get(pool).into_iter().flatten().map(|(key, member)| MemberView {
            login: member.login.clone(),
            key: key.clone(),
            view: self.views.get(key).cloned().unwrap_or_default(),
            away_until: member.away_until(now),
        });
        members.collect()
    }
}

fn time(value: &Value) -> Result<Timestamp, Unreadable> {
    value.number().map(Timestamp)
}

fn amount(number: i64) -> Result<Amount, Unreadable> {
    Amount::from_i64(number).ok_or(Unreadable("no amount"))
}

fn key(value: &Value) -> Result<Key, Unreadable> {
    value.text().map(Key::new)
}

pub(super) fn job(value: &Value) -> Result<JobId, Unreadable> {
    let bytes: [u8; 16] = value.bytes()?.try_into().map_err(|_| Unreadable("no id of a job"))?;
    Ok(JobId::from_bytes(bytes))
}

fn closure(value: &Value) -> Result<Option<Closure>, Unreadable> {
    if *value == Value::Flag(false) {
        return Ok(None);
    }
    let [reason, actor, since, opens_at] = value.fields()?;
    Ok(Some(Closure {
        reason: reason.text()?.to_owned(),
        actor: actor.text()?.to_owned(),
        since: time(since)?,
        opens_at: opens_at.number_or_none()?.map(Timestamp),
    }))
}

fn demands(value: &Value) -> Result<Vec<Demand>, Unreadable> {
    let demand = |value: &Value| {
        let [asked, number, logins] = value.fields()?;
        let logins = logins.list()?.iter().map(|login| login.text().map(str::to_owned));
        Ok(Demand {
            key: key(asked)?,
            amount: amount(number.number()?)?,
            release: Release::AgentStops,
            expiry: Expiry::Never,
            exclude: logins.collect::<Result<_, _>>()?,
        })
    };
    value.list()?.iter().map(demand).collect()
}

fn member(value: &Value) -> Result<(Key, Member), Unreadable> {
    let [login, own_key, away] = value.fields()?;
    let times: Vec<Timestamp> = away.list()?.iter().map(time).collect::<Result<_, _>>()?;
    let away = times.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
    // The limit is in the view.
    Ok((key(own_key)?, Member { login: login.text()?.to_owned(), limit: Amount::ZERO, away }))
}

fn told(figures: &Value, pools: &Value, now: Timestamp) -> Result<Told, Unreadable> {
    let mut told = Told { views: HashMap::new(), kept: HashMap::new(), pools: HashMap::new(), now };
    for figure in figures.list()? {
        let [of, used, limit, closed, kept] = figure.fields()?;
        let limit = limit.number_or_none()?.map(amount).transpose()?;
        let view = View { used: amount(used.number()?)?, limit, closed: closure(closed)? };
        told.views.insert(key(of)?, view);
        if *kept != Value::Flag(false) {
            let [since, until] = kept.fields()?;
            told.kept.insert(key(of)?, (time(since)?, time(until)?));
        }
    }
    for pool in pools.list()? {
        let [of, members] = pool.fields()?;
        told.pools.insert(key(of)?, members.list()?.iter().map(member).collect::<Result<_, _>>()?);
    }
    Ok(told)
}

/// The place of a job; None: it is not in line.
pub(super) fn place(answer: &Value, now: Timestamp) -> Result<Option<Place>, Unreadable> {
    if *answer == Value::Flag(false) {
        return Ok(None);
    }
    let fields = answer.list()?;
    let place = match fields {
        [Value::Number(1), since] => Place { reason: WaitReason::Proposed, since: time(since)?, ahead: 0 },
        [Value::Number(2), at, offered] => {
            Place { reason: WaitReason::Time(time(at)?), since: time(offered)?, ahead: 0 }
        }
        [Value::Number(3), rest @ ..] => waiting(rest, now)?,
        _ => return Err(Unreadable("no place")),
    };
    Ok(Some(place))
}

fn waiting(fields: &[Value], now: Timestamp) -> Result<Place, Unreadable> {
    let [offered, ahead, stand, asked, figures, pools]: &[Value; 6] =
        fields.try_into().map_err(|_| Unreadable("no place"))?;
    let offered = time(offered)?;
    let (since, off) = match stand.list()? {
        [_] => (offered, None),
        [_, since] => (time(since)?.max(offered), None),
        [_, since, until, refusal] => {
            let refusal: Refusal =
                serde_json::from_slice(refusal.bytes()?).map_err(|_| Unreadable("no refusal"))?;
            (time(since)?.max(offered), Some((time(until)?, refusal)))
        }
        _ => return Err(Unreadable("no stand")),
    };
    let decision = decide(&told(figures, pools, now)?, &demands(asked)?, now);
    let reason = match (decision, off) {
        (Decision::Refuse(refusal), _) => WaitReason::Budget(refusal),
        (Decision::Admit(_), Some((until, refusal))) if until > now => WaitReason::Budget(refusal),
        (Decision::Admit(_), _) => WaitReason::Turn,
    };
    let ahead = u64::try_from(ahead.number()?).map_err(|_| Unreadable("no count"))?;
    Ok(Place { reason, since, ahead })
}

pub(super) fn proposals(answer: &Value) -> Result<Proposals, Unreadable> {
    let [more, list] = answer.fields()?;
    let proposal = |value: &Value| {
        let [proposed, token, class] = value.fields()?;
        let class: [u8; 8] = class.bytes()?.try_into().map_err(|_| Unreadable("no id of a class"))?;
        Ok(Proposal {
            job: job(proposed)?,
            token: token.number()?.cast_unsigned(),
            class: ClassId(u64::from_be_bytes(class)),
        })
    };
    let list = list.list()?.iter().map(proposal).collect::<Result<_, _>>()?;
    Ok(Proposals { list, more: more.is_true()? })
}

pub(super) fn counts(answer: &Value) -> Result<Counts, Unreadable> {
    let count = |value: &Value| u64::try_from(value.number()?).map_err(|_| Unreadable("no count"));
    let [waiting, proposed, classes, ready, timed, dirty] = answer.fields()?;
    Ok(Counts {
        waiting: count(waiting)?,
        proposed: count(proposed)?,
        classes: count(classes)?,
        ready_classes: count(ready)?,
        parked_classes: count(classes)?.saturating_sub(count(ready)?),
        timed_jobs: count(timed)?,
        dirty_budgets: count(dirty)?,
    })
}

/// Jobs by the name of the budget that holds them up.
pub(super) fn held_up(page: &Value) -> Result<Vec<(String, u64)>, Unreadable> {
    let pair = |value: &Value| {
        let [name, jobs] = value.fields()?;
        let jobs = u64::try_from(jobs.number()?).map_err(|_| Unreadable("no count"))?;
        Ok((name.text()?.to_owned(), jobs))
    };
    page.list()?.iter().map(pair).collect()
}
