//! The next offset of a partition.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "offsets")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) cluster: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) topic: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) part: i32,
    pub(crate) next_offset: i64,
    pub(crate) last_id: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
