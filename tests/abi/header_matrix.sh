#!/bin/sh
# Compiles each header of the SDK by itself under every language mode that plugin authors use.
# usage: header_matrix.sh INCLUDE_DIR CC    SPDX-License-Identifier: Apache-2.0
include=$1
cc=$2
case $cc in *clang*) cxx=clang++ ;; *) cxx=g++ ;; esac
failed=0
count=0
cd "$include" || exit 1
for header in lathe/*.h lathe/draft/*.h; do
    for mode in c:c11 c:c17 c++:c++11 c++:c++20; do
        lang=${mode%%:*}
        if [ "$lang" = c ]; then compiler=$cc; else compiler=$cxx; fi
        count=$((count + 1))
        if ! printf '#include <%s>\nextern int header_matrix_unit;\n' "$header" | "$compiler" -x "$lang" "-std=${mode#*:}" -Wall -Wextra \
            -Wpedantic -Werror -I. -fsyntax-only -; then
            echo "FAILED: $header as ${mode#*:}"
            failed=$((failed + 1))
        fi
    done
done
echo "$count compilations, $failed failed"
[ "$failed" -eq 0 ] && [ "$count" -gt 80 ]
