//! A JMESPath expression over the payload of a delivery. Payloads are whatever somebody sends: an expression finds something in
//! them, finds nothing, or says why not, and never more than can be kept.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use jmespath::{
    Context, ErrorReason, Rcvar, Runtime, Variable,
    ast::Ast,
    functions::{ArgumentType, CustomFunction, Signature},
    interpret,
};
use serde_json::{Map, Value};

/// The longest expression, in bytes.
const LENGTH_MAX: usize = 500;
/// How deep the parts of an expression may lie in each other, and how many of the characters that let them do so it may have:
/// the library reads and answers by recursion.
const DEPTH_MAX: usize = 64;
/// The largest index and step: beyond it the sum with a length would not fit.
const INDEX_MAX: i32 = 1_000_000_000;
/// The most that one expression may find: bytes of text, and one for each value.
const FOUND_MAX: usize = 256 * 1_024;
/// The most parts that a text is split into; the last one has the rest.
const PARTS_MAX: usize = 1_000;

/// The functions of the standard, and `split` as the community's edition of it has it: titles hold more than one thing.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Runtime::new();
    runtime.register_builtin_functions();
    let signature = Signature::new(vec![ArgumentType::String, ArgumentType::String], None);
    runtime.register_function(
        "split",
        Box::new(CustomFunction::new(signature, Box::new(|of, _| Ok(split(of))))),
    );
    runtime
});

/// One expression, compiled.
#[derive(Clone)]
pub struct Expression(jmespath::Expression<'static>);

/// What expressions are asked about.
#[derive(Clone, Debug)]
pub struct Scope(Rcvar);

impl Scope {
    pub fn new(payload: &Value) -> Self {
        Self(Rcvar::new(variable(payload)))
    }

    /// The same, with one more field; a list, which has no fields, stays as it is.
    #[must_use]
    pub fn with(&self, field: &str, value: &Value) -> Self {
        let Some(fields) = self.0.as_object() else { return self.clone() };
        let mut fields = fields.clone();
        fields.insert(field.to_owned(), Rcvar::new(variable(value)));
        Self(Rcvar::new(Variable::Object(fields)))
    }
}

impl Expression {
    /// What is wrong with it, in one line.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        if text.len() > LENGTH_MAX {
            return Err(format!("it is longer than {LENGTH_MAX} bytes"));
        }
        if text.bytes().filter(|byte| b"([{!&*".contains(byte)).count() > DEPTH_MAX {
            return Err(format!("it has more than {DEPTH_MAX} of the characters ( [ {{ ! & *"));
        }
        let compiled = RUNTIME.compile(text).map_err(|error| {
            let (ErrorReason::Parse(why), column) = (&error.reason, error.column.saturating_add(1)) else {
                return error.reason.to_string();
            };
            format!("{why}, at character {column}")
        })?;
        check(compiled.as_ast(), 0)?;
        Ok(Self(compiled))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What it finds; null is nothing. Lines of a text end with a line feed alone, however they came.
    pub fn find(&self, scope: &Scope) -> Result<Value, String> {
        let mut context = Context::new(self.as_str(), &RUNTIME);
        let found = interpret(&scope.0, self.0.as_ast(), &mut context)
            .map_err(|error| format!("`{}`: {}", self.as_str(), error.reason))?;
        let mut room = FOUND_MAX;
        value(&found, &mut room).map_err(|why| format!("`{}` {why}", self.as_str()))
    }

    /// Whether it finds something: neither null nor false, and not empty.
    pub fn holds(&self, scope: &Scope) -> Result<bool, String> {
        Ok(match self.find(scope)? {
            Value::Null => false,
            Value::Bool(is) => is,
            Value::Number(_) => true,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
        })
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.as_str()).finish()
    }
}

/// What the library would only notice with a payload in hand, and what it would not survive.
fn check(node: &Ast, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("its parts lie in each other more than {DEPTH_MAX} deep"));
    }
    let within = |index: i32| (-INDEX_MAX..=INDEX_MAX).contains(&index);
    let inner: Vec<&Ast> = match node {
        Ast::Index { idx, .. } if !within(*idx) => return Err(format!("the index {idx} is out of range")),
        Ast::Slice { start, stop, step, .. } => {
            if *step == 0 {
                return Err("the step of a slice is 0".to_owned());
            }
            if ![*start, *stop, Some(*step)].into_iter().flatten().all(within) {
                return Err("a number of a slice is out of range".to_owned());
            }
            Vec::new()
        }
        Ast::Function { name, args, .. } => {
            // Both from the payload, it could be told to make a text of any size.
            if name == "join" && !matches!(args.first(), Some(Ast::Literal { .. })) {
                return Err(
                    "the first argument of `join` must be a fixed text, as in join(', ', list)".to_owned()
                );
            }
            if RUNTIME.get_function(name).is_none() {
                return Err(format!("there is no function `{name}`"));
            }
            args.iter().collect()
        }
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Literal { .. } => Vec::new(),
        Ast::Comparison { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. } => vec![lhs, rhs],
        Ast::Condition { predicate, then, .. } => vec![predicate, then],
        Ast::Expref { ast: node, .. }
        | Ast::Flatten { node, .. }
        | Ast::Not { node, .. }
        | Ast::ObjectValues { node, .. } => vec![node],
        Ast::MultiList { elements, .. } => elements.iter().collect(),
        Ast::MultiHash { elements, .. } => elements.iter().map(|pair| &pair.value).collect(),
    };
    inner.into_iter().try_for_each(|inner| check(inner, depth.saturating_add(1)))
}

fn split(of: &[Rcvar]) -> Rcvar {
    let text =
        |at: usize| of.get(at).and_then(|text| text.as_string()).map(String::as_str).unwrap_or_default();
    let part = |part: &str| Rcvar::new(Variable::String(part.to_owned()));
    let parts = match text(1) {
        "" => vec![part(text(0))],
        by => text(0).splitn(PARTS_MAX, by).map(part).collect(),
    };
    Rcvar::new(Variable::Array(parts))
}

fn variable(value: &Value) -> Variable {
    match value {
        Value::Null => Variable::Null,
        Value::Bool(is) => Variable::Bool(*is),
        Value::Number(number) => Variable::Number(number.clone()),
        Value::String(text) => Variable::String(text.clone()),
        Value::Array(list) => Variable::Array(list.iter().map(|item| Rcvar::new(variable(item))).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), Rcvar::new(variable(value))));
            Variable::Object(fields.collect::<BTreeMap<_, _>>())
        }
    }
}

/// `room`: how much more may be found.
fn value(found: &Variable, room: &mut usize) -> Result<Value, String> {
    let mut take = |bytes: usize| match room.checked_sub(bytes.saturating_add(1)) {
        Some(left) => {
            *room = left;
            Ok(())
        }
        None => Err(format!("finds more than {FOUND_MAX} bytes")),
    };
    Ok(match found {
        Variable::Null => Value::Null,
        Variable::Bool(is) => Value::Bool(*is),
        Variable::Number(number) => Value::Number(number.clone()),
        Variable::String(text) => {
            take(text.len())?;
            Value::String(text.replace("\r\n", "\n"))
        }
        Variable::Array(list) => {
            take(list.len())?;
            Value::Array(list.iter().map(|item| value(item, room)).collect::<Result<_, _>>()?)
        }
        Variable::Object(fields) => {
            take(fields.keys().map(String::len).sum())?;
            let each = fields.iter().map(|(name, field)| Ok((name.clone(), value(field, room)?)));
            Value::Object(each.collect::<Result<Map<_, _>, String>>()?)
        }
        Variable::Expref(_) => return Err("finds an expression, not a value".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find(text: &str, payload: Value) -> Result<Value, String> {
        Expression::compile(text).unwrap().find(&Scope::new(&payload))
    }

    #[test]
    fn what_is_there_is_found_and_what_is_not_there_is_null() {
        let payload = json!({ "issue": { "labels": [{ "name": "a" }, { "name": "b" }], "n": 9_007_199_254_740_993_u64 } });
        assert_eq!(find("issue.labels[].name", payload.clone()), Ok(json!(["a", "b"])));
        assert_eq!(find("issue.n", payload.clone()), Ok(json!(9_007_199_254_740_993_u64)));
        assert_eq!(find("pull.number", payload.clone()), Ok(Value::Null));
        assert_eq!(find("'minor'", payload), Ok(json!("minor")));
    }

    #[test]
    fn a_text_is_split() {
        let title = || json!({ "title": "upgrade serde 1.0.228" });
        assert_eq!(find("split(title, ' ')[2]", title()), Ok(json!("1.0.228")));
        assert_eq!(find("split(title, ' ')[7]", title()), Ok(Value::Null));
        assert_eq!(find("split(title, '')", json!({ "title": "ab" })), Ok(json!(["ab"])));
        assert_eq!(
            find("length(split(title, 'a'))", json!({ "title": "a".repeat(9_999) })),
            Ok(json!(1_000))
        );
        assert!(
            find("split(title, `1`)", title()).unwrap_err().contains("expects type string, given number")
        );
        assert!(find("split(title)", title()).unwrap_err().contains("Not enough arguments"));
    }

    #[test]
    fn a_wrong_type_is_told_with_the_expression_and_without_the_payload() {
        let told = find("contains(title, 'x')", json!({ "title": { "hunter2": 1 } })).unwrap_err();
        assert!(told.starts_with("`contains(title, 'x')`: Runtime error: Argument 0 expects"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn an_expression_that_cannot_be_used_is_refused_before_any_payload_comes() {
        for (text, why) in [
            ("", "it is empty"),
            ("a b", "at character 3"),
            ("lenght(a)", "there is no function `lenght`"),
            ("a.{x: b[?upper(c)]}", "there is no function `upper`"),
            ("a[::0]", "the step of a slice is 0"),
            ("a[::2147483647]", "out of range"),
            ("a[-2147483647]", "out of range"),
            ("a[99999999999]", ""),
            (&format!("{}a", "!".repeat(65)), "more than 64 of the characters"),
            (&vec!["a"; 70].join("."), "more than 64 deep"),
            ("join(sep, list)", "must be a fixed text"),
            (&"a".repeat(501), "longer than 500"),
        ] {
            let told = Expression::compile(text).map(|_| ()).unwrap_err();
            assert!(told.contains(why) && !told.contains('\n'), "{text}: {told}");
        }
        // What opens and never closes must not overflow the stack on its way to being refused, however long it is.
        for open in ["(", "[", "{a:", "!", "&", "a[?", "length(", "a||", "a[*].", "a[].", "*."] {
            for times in [60, LENGTH_MAX / open.len()] {
                let text = open.repeat(times.min(LENGTH_MAX / open.len()));
                assert!(Expression::compile(&text).is_err(), "{open}");
            }
        }
    }

    #[test]
    fn an_expression_as_deep_as_may_be_is_answered() {
        let scope = Scope::new(&json!({ "a": { "a": 1 } }));
        for text in [
            format!("{}a", "!".repeat(60)),
            format!("{}a{}", "[".repeat(60), "]".repeat(60)),
            format!("{}a{}", "not_null(".repeat(45), ")".repeat(45)),
            format!("a{}", "[]".repeat(30)),
            format!("a{}", " || b".repeat(60)),
            vec!["a"; 60].join("."),
        ] {
            let found = Expression::compile(&text).and_then(|expression| expression.find(&scope));
            assert!(found.is_ok(), "{text}: {found:?}");
        }
    }

    #[test]
    fn what_is_found_is_bounded() {
        let wide = json!({ "a": vec!["x".repeat(1_000); 300] });
        assert_eq!(find("a", wide).unwrap_err(), "`a` finds more than 262144 bytes");
        let twice = vec!["[@,@]"; 60].join("|");
        let told = find(&twice, json!({})).unwrap_err();
        assert!(told.ends_with("finds more than 262144 bytes"), "{told}");
        assert!(find("&a", json!({})).unwrap_err().ends_with("finds an expression, not a value"));
    }

    #[test]
    fn lines_end_with_a_line_feed_alone() {
        assert_eq!(find("a", json!({ "a": "x\r\ny\n" })), Ok(json!("x\ny\n")));
    }

    #[test]
    fn something_holds_when_it_is_neither_empty_nor_false() {
        let scope =
            Scope::new(&json!({ "a": "", "b": [], "c": {}, "d": false, "e": null, "f": 0, "g": "x" }));
        let holds = |text: &str| Expression::compile(text).unwrap().holds(&scope).unwrap();
        assert!(["a", "b", "c", "d", "e", "z"].iter().all(|text| !holds(text)));
        assert!(holds("f") && holds("g"));
    }
}
