//! Many sites, several key holders, one server that nobody has to trust.

mod ceremony;
mod contributions;
mod drafts;
mod limits;
mod logs;
mod refresh;
mod release;
mod scale;
