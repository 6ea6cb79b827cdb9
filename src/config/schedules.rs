//! What [[schedule]] means.

use crate::{
    config::{limits::Faults, sections::Settings},
    policy::{
        problem::{Code, Problem},
        schedule::{Schedule, written},
    },
};

impl Faults<'_> {
    pub(super) fn schedules(&mut self, settings: &mut Settings) {
        let mut schedules: Vec<Schedule> = Vec::new();
        for (index, written) in settings.written_schedules.iter().enumerate() {
            let index = index.to_string();
            let at = self.place(&["schedule", &index, "name"]);
            let schedule = match written::read(written, &at) {
                Ok(schedule) => schedule,
                Err(problems) => {
                    for problem in problems {
                        let field = problem.at.clone().unwrap_or_default();
                        let path = ["schedule", &index].into_iter().chain(field.split(['.', '[', ']']));
                        let path: Vec<&str> = path.filter(|part| !part.is_empty()).collect();
                        self.told(&path, problem);
                    }
                    continue;
                }
            };
            if let Some(other) = schedules.iter().find(|other| other.name == schedule.name) {
                let what = format!("the schedule `{}` is there twice, first at {}", schedule.name, other.at);
                let problem = Problem::new(Code::BadSchedule, what);
                self.told(&["schedule", &index, "name"], problem.hint("give one of them another name"));
            }
            schedules.push(schedule);
        }
        settings.schedules = schedules;
    }
}
