//! The names of all keys of the gate. Those of one fleet carry one hash tag, so that they live on one node of a cluster;
//! the keys of one epoch carry its name, so that a new one begins empty.

/// The names for one fleet.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Everything of the gate begins with this.
    pub root: String,
    /// What is known of the gate as a whole.
    pub meta: String,
    /// Tokens that wake workers.
    pub wake: String,
}

impl Keys {
    pub fn new(fleet: &str) -> Self {
        let root = format!("sluice:{{{fleet}}}:g:");
        Self { meta: format!("{root}meta"), wake: format!("{root}wake"), root }
    }

    /// Whether the key belongs to an epoch other than this one.
    pub fn is_of_another(&self, key: &str, epoch: &str) -> bool {
        let Some(rest) = key.strip_prefix(&self.root) else { return false };
        rest.split_once(':').is_some_and(|(name, _)| name != epoch)
    }

    /// For `SCAN`; a fleet's name may hold characters that mean something there.
    pub fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.root.len() + 1);
        for letter in self.root.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('*');
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_one_fleet_and_one_epoch() {
        let keys = Keys::new("main");
        assert!(keys.is_of_another("sluice:{main}:g:0a:budgets", "0b"));
        for own in ["sluice:{main}:g:0b:budgets", "sluice:{main}:g:meta", "sluice:{other}:g:0a:budgets"] {
            assert!(!keys.is_of_another(own, "0b"), "{own}");
        }
        assert_eq!(Keys::new("a*").pattern(), r"sluice:{a\*}:g:*");
    }
}
