//! Layer after layer, each one archive.

use super::beside;
use super::decode::{Budget, Decoder, Memory, Source, is_layer_type};
use super::error::{Fault, shown};
use super::flow::Incoming;
use super::limits::Limits;
use super::reader::Archive;
use super::tree::{Nowhere, Sink, Tree};

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

/// Opens layer after layer. A large one is decompressed on a thread of its own, beside the one that reads.
pub(super) fn each_archive<E: From<Fault>>(
    incoming: &mut Incoming,
    budget: &mut Budget,
    mut read: impl FnMut(&mut Archive<'_, Box<dyn Source + '_>>) -> Result<(), E>,
) -> Result<(), E> {
    while let Some(bytes) = incoming.next_layer()? {
        if !is_layer_type(&bytes.media_type) {
            let why = format!(
                "it is of the type \"{}\", no layer of files",
                shown(bytes.media_type.as_bytes())
            );
            let refused = Fault::Refused {
                entry: None,
                why,
                broken: false,
            };
            return Err(refused.into());
        }
        let large = bytes.size >= beside::WORTH_IT;
        let source: Box<dyn Source + '_> = Box::new(bytes);
        let decoder = Decoder::new(source).map_err(|_| Fault::Cut)?;
        match decoder {
            Decoder::Plain(_) => read(&mut Archive::new(decoder, budget))?,
            _ if !large => read(&mut Archive::new(decoder, budget))?,
            _ => beside::decode(decoder, |decoded| read(&mut Archive::new(decoded, budget)))?,
        }
    }
    Ok(())
}

/// Reads bytes as one layer without keeping anything: the body of fuzz targets. `Err` says why it would be refused.
pub fn check_archive(bytes: &[u8], limits: Limits) -> Result<usize, String> {
    let mut budget = Budget::new(limits);
    let mut tree = Tree::default();
    let said = |fault| match fault {
        Fault::Refused { entry, why, .. } => format!("entry \"{}\": {why}", entry.unwrap_or_default()),
        Fault::Cut => "it is cut short".to_owned(),
    };
    let decoder = Decoder::new(Memory(bytes, 0)).map_err(|error| error.to_string())?;
    let mut archive = Archive::new(decoder, &mut budget);
    tree.layer(&mut archive, &mut Nowhere).map_err(said)?;
    Ok(tree.len())
}
