//! TableStore: signatures, messages, and the PlainBuffer in which they carry rows.

pub mod message;
pub mod plain_buffer;
pub mod row;
pub mod sign;
