//! A JMESPath expression over the payload of a delivery.

use std::fmt;

use serde_json::Value;

/// One expression, compiled.
#[derive(Clone)]
pub struct Expression(jmespath::Expression<'static>);

impl Expression {
    /// What is wrong with it, in one line.
    pub fn compile(text: &str) -> Result<Self, String> {
        jmespath::compile(text).map(Self).map_err(|error| error.to_string())
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What it finds; a wrong type on the way is an error.
    pub fn find(&self, payload: &Value) -> Result<Value, String> {
        let found = self.0.search(payload).map_err(|error| error.to_string())?;
        serde_json::to_value(&*found).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.as_str()).finish()
    }
}
