//! What the domain needs to judge and render touches, read at one moment and without locks.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::catalog::Catalog;
use domain::id::{EnrollmentId, TouchId};
use domain::identity::IdentityKey;
use domain::world::{Ids, World};

use crate::Store;
use crate::error::Fail;
use crate::tables::contact;
use crate::unit::{Hold, Loader};

pub(super) async fn view(store: &Store, touches: &[TouchId], catalog: Arc<Catalog>) -> Result<World, Fail> {
    let mut conn = store.database.snapshot().await?;
    let now = store.business_now(&mut conn).await?;
    let mut world = World::new(now, catalog, Arc::clone(&store.keys), Ids::new(0, 0));
    world.clock = store.database.time.business();
    let mut loader = Loader { conn: &mut conn, world: &mut world };
    loader.touches(&[], &touches.iter().copied().collect(), Hold::Free).await?;
    let enrollments: BTreeSet<EnrollmentId> =
        loader.world.touches.iter().map(|(_, touch)| touch.enrollment).collect();
    loader.enrollments_named(&enrollments).await?;
    let contacts = loader.world.enrollments.iter().map(|(_, enrollment)| enrollment.contact).collect();
    loader.contacts(&contacts, Hold::Free).await?;
    let mut accounts = BTreeSet::new();
    let mut identities: BTreeSet<IdentityKey> = BTreeSet::new();
    for (_, contact) in loader.world.contacts.iter() {
        accounts.extend(contact.account);
        identities.extend(contact::identities(contact, &store.keys));
    }
    loader.accounts(&accounts, Hold::Free).await?;
    loader.identities(identities.iter(), Hold::Free).await?;
    loader.timers(Hold::Free).await?;
    Ok(world)
}
