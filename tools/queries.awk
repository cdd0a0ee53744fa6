# Turns sql/queries.sql into QUERY(ID, "name", parameters, "text") lines.
#
# A block is `-- name: claim_work`, then comment lines if any, then one statement; blank lines stand between blocks. A statement's
# further lines are indented, and come out as one line. Anything else is an error: two statements would otherwise be sent as one.

function fail(why) {
    printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"
    failed = 1
    exit 1
}

function highest_parameter(sql,    most, rest) {
    most = 0
    rest = sql
    while (match(rest, /\$[0-9]+/)) {
        if (substr(rest, RSTART + 1, RLENGTH - 1) + 0 > most)
            most = substr(rest, RSTART + 1, RLENGTH - 1) + 0
        rest = substr(rest, RSTART + RLENGTH)
    }
    return most
}

function write_statement(    parameters) {
    sub(/[ \t]*;?[ \t]*$/, "", sql)
    parameters = highest_parameter(sql)
    gsub(/\\/, "\\\\", sql)
    gsub(/"/, "\\\"", sql)
    gsub(/\t/, "\\t", sql)
    printf "QUERY(%s, \"%s\", %d, \"%s\")\n", toupper(name), name, parameters, sql
    name = sql = ""
    count++
}

# What ends a statement.
(/^--/ || /^[ \t]*$/) && sql != "" {
    write_statement()
}

/^-- name:/ {
    if (name != "")
        fail("the statement \"" name "\" has no SQL before the next name")
    name = $3
    if (NF != 3 || name !~ /^[a-z][a-z0-9_]*$/)
        fail("expected \"-- name: lower_case_word\"")
    if (name in seen)
        fail("the name \"" name "\" is taken already")
    seen[name] = 1
    next
}

/^--/ || /^[ \t]*$/ {
    next
}

{
    if (name == "")
        fail("SQL without a \"-- name:\" line before it")
    if (sql != "" && $0 !~ /^    /)
        fail("a second statement under the name \"" name "\"; further lines of one are indented by four spaces")
    if ($0 ~ /--/)
        fail("a comment within a statement: it would swallow what follows, as all of it becomes one line")
    if (sql ~ /;[ \t]*$/)
        fail("a second statement under the name \"" name "\"")
    line = $0
    if (sql != "")
        sub(/^ +/, " ", line)
    sql = sql line
}

END {
    if (failed)
        exit 1
    if (sql != "")
        write_statement()
    if (name != "")
        fail("the statement \"" name "\" has no SQL")
    if (count == 0)
        fail("no statement")
}
