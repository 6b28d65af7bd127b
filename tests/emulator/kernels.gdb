# Commands for gdb on a program with the emulator in it: gdb -x tests/emulator/kernels.gdb --args PROGRAM ...
# Conditions read variables and call nothing, so they work beside other host threads.

define kernel_break
  break $arg0 if emulator::running.thread && emulator::running.thread->linear == $arg2 && \
    emulator::running.thread->block->instance - emulator::running.thread->block->launch->first_instance == $arg1
end
document kernel_break
kernel_break FILE.cu:LINE BLOCK THREAD: stop there in that thread of that block alone, both counted through, x first.
end

define kernel_where
  printf "block (%u, %u, %u), thread (%u, %u, %u), lane %u of warp %u, %u barriers passed\n", \
    emulator::running.thread->block->index.x, emulator::running.thread->block->index.y, \
    emulator::running.thread->block->index.z, emulator::running.thread->index.x, \
    emulator::running.thread->index.y, emulator::running.thread->index.z, emulator::running.thread->lane, \
    emulator::running.thread->linear / 32, emulator::running.thread->block->barriers
end
document kernel_where
The CUDA thread that is running.
end
