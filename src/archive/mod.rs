//! Images as bytes: what a layer's stream is checked for while it flows, whoever wants it. `registry` looks into images
//! with it, `depot` unpacks them; both refuse the same things in the same words (rule REG-6).
//!
//! The caller's task reads the socket and hashes; a bounded channel hands the bytes to one blocking thread that
//! decompresses and checks, and hands each entry to whoever wants it. Large layers are decompressed on a thread more. Memory
//! is bounded by the channels, the decoder's window and the list of entries.

mod beside;
mod decode;
mod digest;
mod error;
mod flow;
mod layers;
mod limits;
mod look;
mod pax;
mod reader;
mod tree;

pub(crate) use decode::Source;
pub(crate) use digest::{Hasher, digest_like, hex, sha256};
pub(crate) use error::{Failure, Fault, shown};
pub use error::{ReadError, Refusal};
pub use flow::{Image, Layer};
pub(crate) use flow::{Incoming, feed};
pub use layers::check_archive;
pub(crate) use layers::each_layer;
pub use limits::Limits;
pub use look::{Listed, ListedKind, extract_files, list_entries};
pub(crate) use reader::{Archive, MODE};
pub(crate) use tree::{Node, Sha256, Sink, Tree, dir_mode, file_mode, inside, split};
