# English. Every other language is held to have these messages, with these variables.
#
# $app       the app's name, never inflected
# $code      the code, never changed
# $lifetime  one of minutes, hours and days below
# Messages that end in -unnamed stand where the app has no name.

code-subject = { $code } is your { $app } code
code-subject-unnamed = { $code } is your code
code-heading = Your { $app } code
code-heading-unnamed = Your code
code-text = Your { $app } code is { $code }
code-text-unnamed = Your code is { $code }
code-expiry = It works once and expires in { $lifetime }.
code-link = Or open this link to log in:
code-button = Log in
code-warning = Do not share this code with anyone. If you did not ask for it, you can ignore this message.

login-subject = Log in to { $app }
login-subject-unnamed = Log in
login-link = Open this link to log in, on the device where you asked for it:
login-copy = To log in, copy this text to where you asked for it:
login-button = Log in
login-warning = Do not share this message with anyone. If you did not ask for it, you can ignore it.

recovery-subject = Recover your { $app } account
recovery-subject-unnamed = Recover your account
recovery-link = Open this link to recover your account, on the device where you asked for it:
recovery-copy = To recover your account, copy this text to where you asked for it:
recovery-button = Recover account
recovery-warning = Do not share this message with anyone. If you did not ask for it, somebody else may be trying to get into your account; you can ignore this message.

bundle-expiry = It expires in { $lifetime }.

# An SMS has 160 characters, or 70 in a language that needs others than English: with the code, and an origin in the last line.
sms = { $app }: your code is { $code }
sms-unnamed = Your code is { $code }
sms-full = { sms }. It expires in { $lifetime }.
sms-full-unnamed = { sms-unnamed }. It expires in { $lifetime }.

minutes = { $number ->
    [one] { $number } minute
   *[other] { $number } minutes
    }
hours = { $number ->
    [one] { $number } hour
   *[other] { $number } hours
    }
days = { $number ->
    [one] { $number } day
   *[other] { $number } days
    }
