# order.awk order.txt: a linker script (GNU ld) that puts the listed code side by side, and its constants. What is in no library
# matches nothing.
/^#/ { next }
{
  for (i = 3; i <= NF; i++) {
    member = "    *" $2 ":" $i ".o"
    if ($1 == "constants") {
      constants = constants member "(.rodata .rodata.*)\n"
      # functions that a file of ours got since the list was made are near those of the list
      if ($2 == "libbackstop.a") rest = rest member "(.text.[!u]*)\n"
    }
    else if ($2 == "libbackstop.a") text = text "    *" $2 ":*(.text." $i " .text." $i ".*)\n"
    else {
      text = text member "(.text .text.*)\n"
      if ($1 != "cluster") constants = constants member "(.rodata .rodata.*)\n"
    }
  }
}
END {
  print "SECTIONS\n{\n  .text.used :\n  {\n" text rest "  }\n}\nINSERT BEFORE .text;"
  # after .rodata: before it they would be among code, in pages that can be executed
  print "SECTIONS\n{\n  .rodata.used :\n  {\n" constants "  }\n}\nINSERT AFTER .rodata;"
}
