//! Something that was set aside: a quarantined delivery or a dead letter.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "asides")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i64,
    pub(crate) list: String,
    pub(crate) workspace: String,
    pub(crate) source: String,
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) at: i64,
    pub(crate) payload: Vec<u8>,
    pub(crate) place: String,
    pub(crate) redriven_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
