//! The cases, by what they are about. Names begin with the number of the conformance case (`h`) or of the security
//! requirement (`s`) that they show.

mod callback;
mod connect;
mod disconnect;
mod program;
mod push;
mod refresh;
mod secrets;
mod vault;
mod workspaces;
