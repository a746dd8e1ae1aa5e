//! Hatchway in a cluster, end to end: installed by kubectl into a real API server, run with its ServiceAccount's token,
//! met through kubectl and raw requests.
//!
//! Each disruptive test has an [`Installation`](installation::Installation) of its own; whoever only applies objects
//! shares one.

mod balancer;
mod conversion;
mod edit;
mod installation;
mod kubectl;
mod life;
mod load;
mod order;
mod replica;
mod rest;
mod trouble;
