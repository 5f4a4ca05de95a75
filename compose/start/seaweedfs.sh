# An S3 server in one process, and its bucket. Who may do what stands in a file in memory, made of the two secrets.
set -eu
umask 077
cat >/tmp/s3.json <<IDENTITIES
{"identities": [{"name": "askonce",
  "credentials": [{"accessKey": "$(cat /run/secrets/s3_access_key)", "secretKey": "$(cat /run/secrets/s3_secret_key)"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
IDENTITIES

bucket() { # there from the first start on; made again it is an error that changes nothing
  until echo 's3.bucket.list' | weed shell -master=127.0.0.1:9333 2>/dev/null | grep -q askonce; do
    sleep 1
    echo 's3.bucket.create -name askonce' | weed shell -master=127.0.0.1:9333 >/dev/null 2>&1 || true
  done
}
bucket &

cd /data
exec weed server -dir=/data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.volumeSizeLimitMB=1024 -volume.max=0 -filer \
  -s3 -s3.ip.bind=0.0.0.0 -s3.port=8333 -s3.config=/tmp/s3.json
