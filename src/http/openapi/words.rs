//! How values that are written as text, or in a form of their own, appear in the description of the interface.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{Object, ObjectBuilder, SchemaFormat, Type},
    },
};

use crate::{
    budget::{Key, Source},
    job::{
        id::{AttemptId, DeliveryId, JobId, NoticeId, RequestId, WorkerId},
        remote::{RemoteState, TaskId},
        repository::Repository,
        role::{LeaseName, Roles},
    },
    policy::{
        self,
        waves::{Share, Size},
    },
};

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

macro_rules! texts {
    ($($kind:ident: $description:literal $(, pattern $pattern:literal)? $(, format $format:literal)?;)*) => {$(
        impl PartialSchema for $kind {
            fn schema() -> RefOr<Schema> {
                let text = text($description);
                $(let text = text.pattern(Some($pattern));)?
                $(let text = text.format(Some(SchemaFormat::Custom($format.to_owned())));)?
                text.build().into()
            }
        }
        impl ToSchema for $kind {}
    )*};
}

texts! {
    AttemptId: "Names an attempt.", format "uuid";
    DeliveryId: "Names a webhook that came in.", format "uuid";
    JobId: "Names a job.", format "uuid";
    NoticeId: "Names a notice.", format "uuid";
    RequestId: "Names a request.", format "uuid";
    WorkerId: "Names a worker.", format "uuid";
    Key: "Names a budget or a gate, such as `slots/repository/acme/api`.";
    LeaseName: "What one worker of a fleet does alone.";
    RemoteState: "The state of a task in the provider's word; words that are new here are kept as they are.";
    Repository: "`owner/name`, in lower case.", pattern "^[^/\\s]+/[^/\\s]+$";
    Roles: "Roles of a worker, with commas between them.";
    Share: "A share in percent.", pattern "^([1-9][0-9]?|100)%$";
    Source: "Who closes a gate: `operator`, `cool-down`, `token`, `freeze/NAME` or `breaker/NAME`.";
    Size: "So many jobs, a share of all, or `rest`.", pattern "^([1-9][0-9]{0,8}|([1-9][0-9]?|100)%|rest)$";
    TaskId: "Names a task at the provider.";
}

/// Its schema is the one that producers are given; see `finish`.
impl PartialSchema for policy::Request {
    fn schema() -> RefOr<Schema> {
        Object::new().into()
    }
}
impl ToSchema for policy::Request {
    fn name() -> std::borrow::Cow<'static, str> {
        "Request".into()
    }
}
