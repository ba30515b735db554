# Who was in which session, and from when to when: all pages of a list become rows of a table.
echo session,room,user,name,role,joined,left
roompipe get list-sessions --emulator --since 2026-01-01 --raw --emit 'jq:
  (.data.response.body.data // [])[]
  | . as $session
  | .peers[]
  | [$session.id, $session.room_id, .user_id, .name, .role, .joined_at, .left_at]
  | @csv'
