add_room(base PIC DEPENDS Threads::Threads)
