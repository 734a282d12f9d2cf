//! In which order a unit takes the identities that it names.

use std::sync::Arc;

use domain::id::Workspace;
use domain::identity::IdentityKind;
use ports::unit::Units as _;
use sea_orm::sqlx::{self, AssertSqlSafe};
use testkit::store::{Mini, events, form};

use super::databases::{PostgresDatabase, keys};
use super::until_waiting;

/// Else a unit that found the company before it had an account could hold it and wait for somebody whom a unit that found
/// it with one holds, while that one waits for the company.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_is_taken_after_the_people_whatever_their_hashes_are() {
    let Some(database) = PostgresDatabase::make("identities").await else { return };
    let store = Arc::new(database.store().await);
    let now = store.now().await.unwrap();
    let hash = |kind, value: &str| keys().key(&Workspace::main(), kind, value).hash;
    let company = hash(IdentityKind::AccountDomain, "example.com");
    let somebody = (0..200)
        .map(|number| format!("p{number}@example.com"))
        .find(|address| hash(IdentityKind::Email, address) > company)
        .unwrap();
    let person = hash(IdentityKind::Email, &somebody);
    let (email, domain) = (IdentityKind::Email as i16, IdentityKind::AccountDomain as i16);
    let there = format!(
        "insert into identities (hash, workspace, kind) \
         values ('{person:?}', 'main', {email}), ('{company:?}', 'main', {domain})"
    );
    super::run(&database, &there).await;

    let mut holder = database.connect().await;
    let hold = format!("begin; select 1 from identities where hash = '{person:?}' for update");
    sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut holder).await.unwrap();
    let running = tokio::spawn({
        let store = Arc::clone(&store);
        let unit = events([form("e1", &somebody, now).input()]);
        async move { store.run(unit, Mini::new()).await }
    });
    assert!(until_waiting(&database, 1, &running).await, "nothing held it up");
    let take = format!("select 1 from identities where hash = '{company:?}' for update nowait");
    let free = sqlx::raw_sql(AssertSqlSafe(take)).execute(&mut database.connect().await).await;
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();

    assert!(free.is_ok(), "it held the company while it waited for a person: {free:?}");
    running.await.unwrap().unwrap();
}
