//! Taking Hatchway out of a cluster so that nothing of it stands in anybody's way, also when no webhook is alive. Each
//! step can be done again; what is gone already is passed over, and what fails does not keep the next from being done.
//!
//! The order: webhook configurations, since they refuse writes when nobody answers; the account's rights, so that no
//! replica that still runs puts back what goes next; objects, made readable and changeable without us; what runs; and
//! only when asked for, CRDs and with them all objects.

mod conversion;
mod objects;
mod things;

use kube::Client;

use super::calls::{CallError, call};
use super::stored_versions::kinds;
use crate::api::Kind;

/// What is to go.
#[derive(Clone, Debug)]
pub struct Uninstall {
    /// Hatchway's namespace. It stays itself, since others may live in it.
    pub namespace: String,
    /// The Service by which API servers call.
    pub service: String,
    /// Whether CRDs and all objects of people go, too.
    pub crds: bool,
}

/// What was done, and what could not be.
#[derive(Debug, Default)]
pub struct Report {
    /// How many things were deleted or changed.
    pub done: usize,
    /// What is left although it should not be, a line each.
    pub left: Vec<String>,
}

/// Who is told each step as it is done, a line each.
pub trait Progress: Send {
    /// Something was done.
    fn done(&mut self, line: &str);
    /// Something could not be done.
    fn left(&mut self, line: &str);
}

/// What the steps share.
struct Work<'p> {
    client: Client,
    uninstall: Uninstall,
    progress: &'p mut dyn Progress,
    report: Report,
}

impl Uninstall {
    /// Goes through all steps.
    ///
    /// # Errors
    /// When the API server does not answer or does not know who asks, before anything is done.
    pub async fn run(self, client: Client, progress: &mut dyn Progress) -> Result<Report, CallError> {
        call("ask the API server for its version", client.apiserver_version()).await?;
        let mut work = Work {
            client,
            uninstall: self,
            progress,
            report: Report::default(),
        };
        work.delete(&things::webhooks()).await;
        work.delete(&things::rights(&work.uninstall.namespace)).await;
        // Those first that can be read and written without a conversion.
        for kind in Kind::ALL.into_iter().filter(|kind| !kind.is_converted()) {
            work.free(kind).await;
        }
        for kind in kinds() {
            work.convert(kind).await;
            work.free(kind).await;
        }
        work.delete(&things::workload(
            &work.uninstall.namespace,
            &work.uninstall.service,
        ))
        .await;
        if work.uninstall.crds {
            work.delete_definitions().await;
        }
        Ok(work.report)
    }
}

impl Work<'_> {
    fn done(&mut self, line: &str) {
        self.progress.done(line);
        self.report.done += 1;
    }

    fn left(&mut self, line: String) {
        self.progress.left(&line);
        self.report.left.push(line);
    }

    /// Tells an error; true when there was none.
    fn check<T>(&mut self, result: Result<T, CallError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.left(error.line());
                None
            }
        }
    }
}
