//! An object as it stands in the world: what would be refused if it were made now. For what came in while nobody
//! judged, and for what others have made wrong since.
//!
//! | rules | of an object that stands |
//! |---|---|
//! | schema, annotations, and all rules on CREATE | speak: also those on names, which bind nobody but him who makes the object |
//! | about a change or a removal (MC-11, MC-12, MUP-4, MR-1, MR-2, MR-4, MS-6, MS-7) | are silent: nothing changes and nothing goes |
//! | about who asks (MR-1, MOD-1) | are silent: nobody asks |
//! | on fields of v1alpha1 (MPO-4, MUP-3) | speak where the object carries such a field |

use super::{Parts, Subject, User, Verdict, admit, convert, engine};
use crate::world::{Object, World};
use jiff::Timestamp;
use std::borrow::Cow;

/// Who asks when nobody does.
const NOBODY: User<'static> = User {
    name: "",
    trusted: true,
};

/// An object of the world in the pieces that rules read, taken apart without the world: it may be long. `None` for one
/// that is on its way out (AD-8).
pub fn as_it_stands(object: &Object) -> Option<Subject> {
    if object.metadata().deletion_timestamp.is_some() {
        return None;
    }
    let stored = object.to_value();
    let written = convert::as_v1alpha1(&stored).map_or(Cow::Borrowed(&stored), Cow::Owned);
    // An object of the world has a kind, a version and a name.
    let (kind, version, name) = admit::identify(&written).ok()?;
    let parts = Parts::from_value(kind, version, &written);
    Some(admit::subject(kind, version, name.to_owned(), Some(parts), None))
}

/// Judges an object as it stands.
pub fn standing(subject: &Subject, world: &World, now: Timestamp) -> Verdict {
    engine::standing(subject, NOBODY, world, now)
}
