//! The list of migrations.

use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

use crate::{m0001_begin, m0002_sending, m0003_keeping};

/// All migrations, in order.
#[derive(Debug, Clone, Copy)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_begin::Migration),
            Box::new(m0002_sending::Migration),
            Box::new(m0003_keeping::Migration),
        ]
    }
}
