//! Layer after layer, each one archive.

use super::decode::{Budget, is_layer_type};
use super::error::{Fault, shown};
use super::flow::{Incoming, LayerBytes};
use super::limits::Limits;
use super::reader::Archive;
use super::tree::{Sink, Tree};

/// Reads layer after layer into the tree.
pub(crate) fn each_layer<K: Sink>(
    incoming: &mut Incoming,
    limits: Limits,
    tree: &mut Tree,
    sink: &mut K,
) -> Result<(), K::Error> {
    each_archive(incoming, &mut Budget::new(limits), |archive| {
        tree.layer(archive, sink)
    })
}

/// Opens layer after layer.
pub(super) fn each_archive<E: From<Fault>>(
    incoming: &mut Incoming,
    budget: &mut Budget,
    mut read: impl FnMut(&mut Archive<'_, LayerBytes<'_>>) -> Result<(), E>,
) -> Result<(), E> {
    while let Some((bytes, media_type)) = incoming.next_layer()? {
        if !is_layer_type(&media_type) {
            let why = format!(
                "it is of the type \"{}\", no layer of files",
                shown(media_type.as_bytes())
            );
            let refused = Fault::Refused {
                entry: None,
                why,
                broken: false,
            };
            return Err(refused.into());
        }
        read(&mut Archive::new(bytes, budget)?)?;
    }
    Ok(())
}
