"""Reads from a server with python-tds.

Arguments: port, user, password, packet size, file with the certificate or "-". Each line of the input is a statement, and
after a tab a tuple of parameters in Python. For each, the columns, the rows and an end are written, or an error.
"""

import datetime
import decimal
import ssl
import sys
import uuid

import pytds


def written(value):
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "str " + value
    if isinstance(value, datetime.datetime):
        return "datetime " + value.isoformat(" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return type(value).__name__ + " " + value.isoformat()
    if isinstance(value, bytes):
        return "bytes " + value.hex()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return type(value).__name__ + " " + str(value)
    return type(value).__name__ + " " + repr(value)


def main():
    port, user, password, size, certificate = sys.argv[1:6]
    more = {}
    if certificate != "-":
        with open(certificate, "rb") as file:
            pem = ssl.DER_cert_to_PEM_cert(file.read())
        with open(certificate + ".pem", "w") as file:
            file.write(pem)
        more = {"cafile": certificate + ".pem", "validate_host": False, "enc_login_only": len(sys.argv) > 6}
    try:
        connection = pytds.connect(
            "127.0.0.1",
            port=int(port),
            user=user,
            password=password,
            database="contacts",
            appname="clients.py",
            readonly=True,
            autocommit=True,
            timeout=60,
            login_timeout=60,
            blocksize=int(size),
            **more,
        )
    except pytds.Error as error:
        print("refused:", error.args[0])
        return
    cursor = connection.cursor()
    for line in sys.stdin:
        statement, _, parameters = line.rstrip("\n").partition("\t")
        statement = statement.replace("\\n", "\n")
        try:
            parameters = eval(parameters, {"datetime": datetime, "Decimal": decimal.Decimal}) if parameters else ()
            cursor.execute(statement, parameters)
            while True:
                if cursor.description is not None:
                    print("columns: " + "|".join(column[0] for column in cursor.description))
                    for row in cursor:
                        print("|".join(written(value) for value in row))
                if not cursor.nextset():
                    break
            print("end")
        except pytds.Error as error:
            print("error", getattr(error, "number", None), error.args[0])
    connection.close()


sys.stdout.reconfigure(encoding="utf-8")
sys.stdin.reconfigure(encoding="utf-8")
main()
