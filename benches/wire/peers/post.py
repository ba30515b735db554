"""What a script on aiohttp does with the same job: the lines of a file, so many calls in flight, each answer a line.

post.py BASE_URL INPUT OUTPUT IN_FLIGHT; the token is the variable TOKEN.
"""

import asyncio
import json
import os
import sys

import aiohttp


async def send(session, url, lines, answers):
    for line in lines:
        record = json.loads(line)
        room = {name: record[name] for name in ("name", "description", "region", "size")}
        body = json.dumps(room, separators=(",", ":"))
        async with session.post(url, data=body) as response:
            response.raise_for_status()
            answer = await response.json()
        answers.write(json.dumps(answer) + "\n")


async def main(base, input_path, output_path, in_flight):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['TOKEN']}"}
    connector = aiohttp.TCPConnector(limit=in_flight)
    with open(input_path, encoding="utf-8") as lines, open(output_path, "w", encoding="utf-8") as answers:
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            tasks = (send(session, base + "/rooms", lines, answers) for _ in range(in_flight))
            await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
