//! Links between meshes over loopback, on ports that the system chose.

mod carrying;
mod endings;
mod pairing;
mod refusals;
mod strangers;
mod support;
mod versions;
