# The key comes from a file into the variable that Qdrant reads.
set -eu
QDRANT__SERVICE__API_KEY="$(cat /run/secrets/qdrant_api_key)"
export QDRANT__SERVICE__API_KEY
cd /qdrant
exec ./qdrant
