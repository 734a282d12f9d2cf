//! A version of a cadence, template, segment or calendar, as its author wrote it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "documents")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i64,
    pub(crate) workspace: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) body: String,
    pub(crate) is_current: i32,
    pub(crate) actor: String,
    pub(crate) created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
