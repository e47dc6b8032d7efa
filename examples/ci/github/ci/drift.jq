# A drift report (krakenstate drift --json) as the text of an issue, without ages, so that it is the same while the
# findings are; nothing if there are none.
def code: gsub("[`\\r\\n]"; " ") | "`\(.)`";
if .resource_drift == [] then empty else
  "<!-- krakenstate:drift:\(.stack):\(.environment) -->",
  "What is differs from what was recorded.", "",
  (.resource_drift[] | "- " + (.address | code) + (.change.before as $before | .change.after as $after
    | [($after // {}) | keys_unsorted[]] | map("\n  - " + code + ": " + ($before[.] | tojson | code) + " → "
    + ($after[.] | tojson | code)) | add // ""))
end
