//! One folder per provider.

mod canonical;
pub(crate) mod cloudevents;
pub(crate) mod generic;
pub(crate) mod sendgrid;
pub(crate) mod standard_webhooks;
pub(crate) mod typeform;
