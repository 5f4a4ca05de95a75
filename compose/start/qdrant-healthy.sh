# The image has no client for HTTP, but a shell that can open a connection.
exec 3<>/dev/tcp/127.0.0.1/6333
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r _ status _ <&3
[ "$status" = 200 ]
