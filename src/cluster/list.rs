//! An API server's objects read once, as a world: for commands that judge without a server.

use super::read;
use super::trouble::Trouble;
use crate::api::Kind;
use crate::world::World;
use futures_util::future::try_join_all;
use kube::Client;
use std::time::Duration;

/// How long a page of a list may take: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads all objects of `kinds`, in pages, the kinds side by side. What cannot be read is among the world's
/// [`World::unreadable`].
///
/// # Errors
/// [`Trouble`] where a kind cannot be listed; it names the kind and what is missing.
pub async fn list(client: &Client, kinds: &[Kind]) -> Result<World, Trouble> {
    let lists = try_join_all(kinds.iter().map(|kind| of_kind(client, *kind))).await?;
    let mut world = World::new();
    for (kind, items) in kinds.iter().zip(lists) {
        for raw in items {
            let Some(head) = read::head(&raw) else {
                continue;
            };
            match read::object(*kind, &raw) {
                Ok(object) => world.insert(object),
                Err(misfit) => world.insert_unreadable(*kind, &head.name, read::why(&misfit)),
            }
        }
    }
    Ok(world)
}

async fn of_kind(client: &Client, kind: Kind) -> Result<Vec<read::Raw>, Trouble> {
    let mut items = Vec::new();
    let mut token = None;
    loop {
        let page = read::page(client, kind, token, PATIENCE).await?;
        items.extend(page.items);
        token = page.metadata.continue_.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(items);
        }
    }
}
