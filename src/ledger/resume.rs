//! What is to be done with a record, given what is known of it: one pure function for the record, one for each call.
//!
//! It knows no store, no clock and no request, only what they were reduced to.
