//! People and bots. A login that no scenario declares exists all the same, with an id drawn from
//! its name, so that stories can mention anybody.

use std::collections::HashMap;
use std::sync::Arc;

use crate::simulator::draw::Draw;
use crate::simulator::scenario::User;

/// A user as answers show it.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub id: i64,
    pub login: Arc<str>,
    pub name: Option<Arc<str>>,
}

impl Person {
    /// The agent that opens pull requests.
    pub(crate) fn agent() -> Person {
        Person { id: 198_982_749, login: Arc::from("Copilot"), name: None }
    }

    /// "Bot" or "User".
    pub(crate) fn kind(&self) -> &'static str {
        if self.login.ends_with("[bot]") || &*self.login == "Copilot" { "Bot" } else { "User" }
    }
}

/// Everybody who was declared or mentioned.
#[derive(Debug)]
pub(crate) struct Users {
    seed: u64,
    by_login: HashMap<String, Person>,
}

impl Users {
    /// The declared users.
    pub(crate) fn new(seed: u64, declared: &[User]) -> Users {
        let mut users = Users { seed, by_login: HashMap::new() };
        for user in declared {
            let drawn = users.find(&user.login);
            let person = Person {
                id: user.id.unwrap_or(drawn.id),
                name: user.name.as_deref().map(Arc::from),
                ..drawn
            };
            users.by_login.insert(user.login.to_ascii_lowercase(), person);
        }
        users
    }

    /// The user of a login, in any case of letters.
    pub(crate) fn find(&mut self, login: &str) -> Person {
        let key = login.to_ascii_lowercase();
        let seed = self.seed;
        let person = self.by_login.entry(key).or_insert_with_key(|key| {
            let id = Draw::new(seed, key, 0).between(1_000_000, 199_999_999);
            Person { id: i64::try_from(id).unwrap_or(0), login: Arc::from(login), name: None }
        });
        person.clone()
    }
}
