# Before a job is let loose: what is wrong with its table, which rows overwrite each other, and what would change of what is there.
roompipe plan create-room rooms.csv --emulator --diff --rate 20/s
