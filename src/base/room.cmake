add_room(base DEPENDS Threads::Threads)
