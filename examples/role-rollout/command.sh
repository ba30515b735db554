# The same roles for a template, one line each. A role that breaks a limit is refused before anything is sent for it.
roompipe run create-update-role roles.jsonl --emulator --set template_id=65a1b2c3d4e5f60718290010
