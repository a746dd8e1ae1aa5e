//! Power cuts: the disk as it is at a step, without what was only in memory. Needs a loop device and ext4.
