//! Loads what a batch of commands needs, a table at a time.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    budget::Key,
    job::{
        id::{RequestId, WorkerId},
        role::LeaseName,
        state::State,
    },
    ledger::{
        LedgerError,
        apply::breakers,
        cache::RequestCache,
        command::Command,
        db::{Bind, Tx},
        load_audit,
        needs::Needs,
        rows::{
            ApprovalRow, AttemptRow, BreakerRow, BudgetRow, DeliveryRow, FreezeRow, HoldRow, JobRow,
            LeaseRow, MailingRow, NoticeRow, PromptRow, RequestRow, ScheduleRow, TemplateRow, TokenRow,
            WavesRow, WorkerRow,
        },
        table,
        working_set::{Shared, WorkingSet},
    },
};

/// Holds that one roll-over gives back at most.
const ROLL_OVER_MAX: i64 = 5_000;

/// A request row with its spec read.
pub fn share(row: RequestRow) -> Result<Shared, LedgerError> {
    let spec = serde_json::from_str(&row.spec_json).map_err(LedgerError::encoding)?;
    Ok(Shared { row, spec })
}

fn texts<T: ToString>(keys: impl IntoIterator<Item = T>) -> Vec<String> {
    keys.into_iter().map(|key| key.to_string()).collect()
}

/// Fills the set with every row that the commands may read or change.
pub async fn load(
    tx: &mut Tx,
    set: &mut WorkingSet,
    cache: &RequestCache,
    commands: &[Command],
) -> Result<(), LedgerError> {
    load_audit::load(tx, set, commands).await?;
    let mut needs = Needs::of(commands);
    load_replaced(tx, set, &mut needs).await?;
    load_waves(tx, set, &mut needs).await?;
    load_jobs(tx, set, cache, &needs).await?;
    let mut keys = needs.keys.clone();
    keys.extend(held(set, &needs));
    keys.extend(load_breakers(tx, set, &needs).await?);
    keys.extend(retries(set, &needs));
    for row in takers(set, &needs) {
        for demand in set.demands(&row).iter() {
            match set.rules.pool(&demand.key) {
                Some(pool) => {
                    keys.extend(pool.members.iter().map(|member| Key::member(&pool.name, &member.login)));
                }
                None => {
                    keys.insert(demand.key.clone());
                }
            }
        }
    }
    let missing: Vec<Key> = keys.iter().filter(|key| !set.budgets.has(key)).cloned().collect();
    let rows: Vec<BudgetRow> = tx.rows_in(&table::BUDGETS, "id", &texts(&missing), "").await?;
    let empty = missing.into_iter().map(BudgetRow::new);
    for row in empty.chain(rows) {
        set.budgets.load(row.id.clone(), row);
    }
    set.looked_at = keys;
    load_rest(tx, set, &needs).await
}

/// Waves, approvals, and the jobs of requests that are widened; those that are held may be moved.
async fn load_waves(tx: &mut Tx, set: &mut WorkingSet, needs: &mut Needs) -> Result<(), LedgerError> {
    let requests = texts(&needs.approved);
    for row in tx.rows_in::<WavesRow>(&table::WAVES, "request_id", &requests, "").await? {
        set.waves.load(row.request_id, row);
    }
    for row in tx.rows_in::<ApprovalRow>(&table::APPROVALS, "request_id", &requests, "").await? {
        set.approvals.load(row.id.clone(), row);
    }
    for row in tx.rows_in::<JobRow>(&table::JOBS, "request_id", &texts(&needs.widened), "").await? {
        if row.state == State::Held {
            needs.jobs.insert(row.id);
        }
        set.in_waves.entry(row.request_id).or_default().push(row);
    }
    Ok(())
}

/// The jobs that wait, of requests that are replaced.
async fn load_replaced(tx: &mut Tx, set: &mut WorkingSet, needs: &mut Needs) -> Result<(), LedgerError> {
    let waits = "AND t.state IN ('held', 'queued')";
    for row in tx.rows_in::<JobRow>(&table::JOBS, "request_id", &texts(&needs.replaced), waits).await? {
        needs.jobs.insert(row.id);
        set.waiting_of.entry(row.request_id).or_default().push(row.id);
    }
    Ok(())
}

/// The breakers at the gates of the jobs. Gives the gates: what ends or is admitted may close or open them.
async fn load_breakers(
    tx: &mut Tx,
    set: &mut WorkingSet,
    needs: &Needs,
) -> Result<BTreeSet<Key>, LedgerError> {
    let jobs = needs.jobs.iter().filter_map(|job| set.jobs.get(job));
    let requests: BTreeSet<RequestId> = jobs.map(|job| job.request_id).collect();
    let shared = requests.iter().filter_map(|request| set.requests.get(request));
    let mut gates: BTreeSet<Key> = shared.flat_map(|shared| breakers::gates(shared)).collect();
    gates.extend(needs.breakers.iter().cloned());
    let missing: Vec<Key> = gates.difference(&set.breakers_at).cloned().collect();
    for row in tx.rows_in::<BreakerRow>(&table::BREAKERS, "gate", &texts(&missing), "").await? {
        set.breakers.load(row.id.clone(), row);
    }
    set.breakers_at.extend(missing);
    Ok(gates)
}

/// Budgets that the jobs of the commands hold something of.
fn held(set: &WorkingSet, needs: &Needs) -> Vec<Key> {
    let active = |hold: &&HoldRow| hold.released_at.is_none();
    if needs.roll_over {
        return set.holds.map.values().filter(active).map(|hold| hold.budget_id.clone()).collect();
    }
    let ids = needs.jobs.iter().filter_map(|job| set.holds_of_job.get(job)).flatten();
    ids.filter_map(|id| set.holds.get(id)).filter(active).map(|hold| hold.budget_id.clone()).collect()
}

/// The budgets for retries of the jobs that may be tried again.
fn retries(set: &WorkingSet, needs: &Needs) -> Vec<Key> {
    let demands = |row: &JobRow| {
        let shared = set.request_of(row)?;
        Some(set.rules.retry_demands(&row.subject(&shared.row, &shared.spec)))
    };
    let rows = needs.retried.iter().filter_map(|job| set.jobs.get(job));
    rows.filter_map(demands).flatten().map(|demand| demand.key).collect()
}

fn takers(set: &WorkingSet, needs: &Needs) -> Vec<JobRow> {
    let asked = needs.takers.iter().filter_map(|job| set.jobs.get(job));
    let awake = needs.awake.iter().filter_map(|job| set.jobs.get(job));
    asked.chain(awake.filter(|row| row.state == State::Cancelled)).cloned().collect()
}

async fn load_jobs(
    tx: &mut Tx,
    set: &mut WorkingSet,
    cache: &RequestCache,
    needs: &Needs,
) -> Result<(), LedgerError> {
    // A job is loaded with all its attempts and active holds, or not at all.
    let ids = texts(needs.jobs.iter().filter(|job| !set.jobs.has(job)));
    let mut missing = needs.requests.clone();
    // One that never had an attempt has no holds either.
    let mut attempted = Vec::new();
    for row in tx.rows_in::<JobRow>(&table::JOBS, "id", &ids, "").await? {
        attempted.extend(row.attempt_id.map(|_| row.id.to_string()));
        if let Some(shared) = cache.get(row.request_id) {
            set.requests.insert(row.request_id, shared);
        } else {
            missing.insert(row.request_id);
        }
        set.jobs.load(row.id, row);
    }
    for row in tx.rows_in::<RequestRow>(&table::REQUESTS, "id", &texts(&missing), "").await? {
        let shared = Arc::new(share(row)?);
        cache.put(shared.row.id, Arc::clone(&shared));
        set.requests.insert(shared.row.id, shared);
    }
    for row in tx.rows_in::<AttemptRow>(&table::ATTEMPTS, "job_id", &attempted, "").await? {
        set.load_attempt(row);
    }
    let active = "AND t.released_at IS NULL";
    for hold in tx.rows_in::<HoldRow>(&table::HOLDS, "job_id", &attempted, active).await? {
        set.load_hold(hold);
    }
    if needs.roll_over {
        let tail = "WHERE t.released_at IS NULL AND t.expires_at IS NOT NULL AND t.expires_at <= $1 \
            ORDER BY t.expires_at LIMIT $2";
        let binds = [Bind::Int(set.now.0), Bind::Int(ROLL_OVER_MAX)];
        for hold in tx.rows::<HoldRow>(&table::HOLDS, tail, &binds).await? {
            set.load_hold(hold);
        }
    }
    Ok(())
}

/// Loads the leases that are spoken of; gives their holders.
async fn load_leases(tx: &mut Tx, set: &mut WorkingSet, needs: &Needs) -> Result<Vec<WorkerId>, LedgerError> {
    let followed = set.attempts.map.values().filter(|row| needs.followed.contains(&row.job_id));
    let mut names: BTreeSet<LeaseName> = followed.map(|row| LeaseName::track(&row.identity)).collect();
    names.extend(needs.leases.iter().cloned());
    let missing = names.iter().filter(|name| !set.leases.has(name));
    for row in tx.rows_in::<LeaseRow>(&table::LEASES, "name", &texts(missing), "").await? {
        set.leases.load(row.name.clone(), row);
    }
    Ok(names.iter().filter_map(|name| set.leases.get(name)).map(|row| row.worker_id).collect())
}

/// Those that are spoken of, and those that have come before.
async fn load_deliveries(tx: &mut Tx, set: &mut WorkingSet, needs: &Needs) -> Result<(), LedgerError> {
    let asked = [
        ("id", texts(&needs.deliveries)),
        ("sender_id", texts(&needs.sender_ids)),
        ("fingerprint", texts(&needs.fingerprints)),
    ];
    for (column, keys) in asked {
        for row in tx.rows_in::<DeliveryRow>(&table::DELIVERIES, column, &keys, "").await? {
            set.deliveries.load(row.id, row);
        }
    }
    Ok(())
}

async fn load_rest(tx: &mut Tx, set: &mut WorkingSet, needs: &Needs) -> Result<(), LedgerError> {
    for row in tx
        .rows_in::<RequestRow>(&table::REQUESTS, "idempotency_key", &texts(&needs.idempotency_keys), "")
        .await?
    {
        if let Some(key) = row.idempotency_key.clone() {
            set.by_idempotency_key.insert(key, row);
        }
    }
    let templates = needs.templates.iter().filter(|template| !set.templates.has(template));
    for row in tx.rows_in::<TemplateRow>(&table::TEMPLATES, "id", &texts(templates), "").await? {
        set.templates.load(row.id.clone(), row);
    }
    let freezes = needs.freezes.iter().filter(|name| !set.freezes.has(name));
    for row in tx.rows_in::<FreezeRow>(&table::FREEZES, "name", &texts(freezes), "").await? {
        set.freezes.load(row.name.clone(), row);
    }
    let tokens: Vec<String> = needs.tokens.iter().cloned().collect();
    for column in ["id", "name"] {
        for row in tx.rows_in::<TokenRow>(&table::TOKENS, column, &tokens, "").await? {
            set.tokens.load(row.id.clone(), row);
        }
    }
    let schedules = needs.schedules.iter().filter(|name| !set.schedules.has(name));
    for row in tx.rows_in::<ScheduleRow>(&table::SCHEDULES, "name", &texts(schedules), "").await? {
        set.schedules.load(row.name.clone(), row);
    }
    load_deliveries(tx, set, needs).await?;
    let mut workers = needs.workers.clone();
    workers.extend(load_leases(tx, set, needs).await?);
    let driven = set.attempts.map.values().filter(|row| needs.orphans.contains(&row.job_id));
    workers.extend(driven.map(|row| row.worker_id));
    workers.retain(|worker| !set.workers.has(worker));
    for row in tx.rows_in::<WorkerRow>(&table::WORKERS, "id", &texts(&workers), "").await? {
        set.workers.load(row.id, row);
    }
    let notices = texts(&needs.notices);
    for row in tx.rows_in::<NoticeRow>(&table::OUTBOX, "id", &notices, "").await? {
        set.notices.load(row.id, row);
    }
    for row in tx.rows_in::<MailingRow>(&table::MAILINGS, "notice_id", &notices, "").await? {
        set.post.mailings.load(row.id.clone(), row);
    }
    let dedups: Vec<String> = needs.dedups.iter().cloned().collect();
    for row in tx.rows_in::<NoticeRow>(&table::OUTBOX, "dedup", &dedups, "").await? {
        set.dedups.insert(row.dedup);
    }
    for row in tx.rows_in::<JobRow>(&table::JOBS, "replay_of", &texts(&needs.replays), "").await? {
        if let Some(of) = row.replay_of {
            set.replays.insert(of, row.id);
        }
    }
    for row in tx.rows_in::<PromptRow>(&table::PROMPTS, "job_id", &texts(&needs.replays), "").await? {
        set.prompts.insert(row.job_id, row);
    }
    if needs.register {
        let newest: Vec<WorkerRow> = tx.rows(&table::WORKERS, "ORDER BY t.token DESC LIMIT 1", &[]).await?;
        set.last_token = newest.first().map_or(0, |row| row.token);
    }
    Ok(())
}
