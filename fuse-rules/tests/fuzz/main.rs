//! The bodies of the fuzz targets, run on seeds.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod seeds;
