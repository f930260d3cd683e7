#![doc = include_str!("../README.md")]

mod access;
mod argument;
mod budget;
mod callback;
mod command;
mod connection;
mod contacts;
mod customers;
mod erase;
mod estimate;
mod failure;
mod first_sync;
mod history;
mod lane_field;
mod mapping;
mod parked;
mod preview;
mod progress;
mod replay;
mod row;
mod run;
mod session;
mod status;
mod story;
mod table;
mod value;
mod values;
mod wire;
mod workspace;

pub use command::launch;
