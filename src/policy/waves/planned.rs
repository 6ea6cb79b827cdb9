//! The waves of a plan: each job in its wave, and nothing that nobody could ever approve.

use crate::policy::{
    PlannedJob, Problem, Request, Template,
    approval::{self, Need, People},
    facts::Facts,
    problem::Code,
    request::sha256,
    waves::{self, Waves, draw},
};

/// Puts each job into its wave. Without a seed the draw depends on what is asked for alone, so that the same request gives the
/// same waves.
pub fn widened(
    request: &Request,
    template: &Template,
    seed: Option<u32>,
    jobs: &mut [PlannedJob],
    facts: &Facts,
) -> Result<Option<Waves>, Problem> {
    let Some(rule) = waves::in_force(template.waves.as_ref(), request.waves.as_ref(), jobs.len())? else {
        return Ok(None);
    };
    let own = || {
        let asked = format!("waves {} {}", template.digest, request.body_digest());
        u32::from_str_radix(sha256(asked.as_bytes()).get(..8).unwrap_or_default(), 16).unwrap_or_default()
    };
    let seed = seed.unwrap_or_else(own);
    let traits: Vec<draw::Traits<'_>> = jobs
        .iter()
        .map(|job| {
            let about = facts.of(&job.repository).about.as_ref();
            draw::Traits {
                repository: job.repository.full_name(),
                owner: job.repository.owner(),
                language: about.and_then(|about| about.language.as_deref()),
                size: about.map(|about| about.size_kb),
            }
        })
        .collect();
    let cut = rule.cut(jobs.len());
    let drawn = draw::assign(&cut, &draw::order(u64::from(seed), &traits));
    for (job, wave) in jobs.iter_mut().zip(drawn) {
        job.wave = wave;
    }
    Ok(Some(Waves { rule: rule.clone(), seed, jobs: cut }))
}

/// A job that too few people may approve would wait for ever.
pub fn approvable(
    request: &Request,
    waves: Option<&Waves>,
    jobs: &[PlannedJob],
    people: &People,
) -> Result<(), Problem> {
    let asked = waves.filter(|waves| waves.jobs.len() > 1).and_then(|waves| waves.rule.approvals.as_ref());
    let wave =
        asked.map(|asked| Need { reason: "wave".to_owned(), count: asked.count, role: asked.role.clone() });
    let of_jobs = jobs.iter().flat_map(|job| approval::needs(request.hold, &job.decision));
    for need in wave.into_iter().chain(of_jobs) {
        if let Err(found) = people.can_meet(&need, &request.requester) {
            let Need { reason, count, role } = need;
            let what = format!(
                "`{reason}` needs {count} approvals of role `{role}`, and only {found} people other than the requester have it"
            );
            let hint = "add people of that role under [[person]]; nobody approves what they asked for";
            return Err(Problem::new(Code::NobodyMayApprove, what).at("requester").hint(hint));
        }
    }
    Ok(())
}
