//! Every code has a page whose examples hold; what is printed is what its format wants.

mod formats;
mod kinds;
mod pages;
mod repair;
