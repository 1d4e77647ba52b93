# Greek

code-subject = { $code } είναι ο κωδικός σας για { $app }
code-subject-unnamed = { $code } είναι ο κωδικός σας
code-heading = Ο κωδικός σας για { $app }
code-heading-unnamed = Ο κωδικός σας
code-text = Ο κωδικός σας για { $app } είναι { $code }
code-text-unnamed = Ο κωδικός σας είναι { $code }
code-expiry = Ισχύει για μία χρήση και λήγει σε { $lifetime }.
code-link = Ή ανοίξτε αυτόν τον σύνδεσμο για να συνδεθείτε:
code-button = Σύνδεση
code-warning = Μη δώσετε αυτόν τον κωδικό σε κανέναν. Αν δεν τον ζητήσατε, μπορείτε να αγνοήσετε αυτό το μήνυμα.

login-subject = Σύνδεση: { $app }
login-subject-unnamed = Σύνδεση
login-link = Για να συνδεθείτε, ανοίξτε αυτόν τον σύνδεσμο στη συσκευή όπου τον ζητήσατε:
login-copy = Για να συνδεθείτε, αντιγράψτε αυτό το κείμενο εκεί όπου το ζητήσατε:
login-button = Σύνδεση
login-warning = Μη δώσετε αυτό το μήνυμα σε κανέναν. Αν δεν το ζητήσατε, μπορείτε να το αγνοήσετε.

recovery-subject = Ανάκτηση του λογαριασμού σας: { $app }
recovery-subject-unnamed = Ανάκτηση του λογαριασμού σας
recovery-link = Για να ανακτήσετε τον λογαριασμό σας, ανοίξτε αυτόν τον σύνδεσμο στη συσκευή όπου τον ζητήσατε:
recovery-copy = Για να ανακτήσετε τον λογαριασμό σας, αντιγράψτε αυτό το κείμενο εκεί όπου το ζητήσατε:
recovery-button = Ανάκτηση λογαριασμού
recovery-warning = Μη δώσετε αυτό το μήνυμα σε κανέναν. Αν δεν το ζητήσατε, ίσως κάποιος άλλος προσπαθεί να μπει στον λογαριασμό σας· μπορείτε να αγνοήσετε αυτό το μήνυμα.

bundle-expiry = Λήγει σε { $lifetime }.

sms = { $app }: ο κωδικός σας { $code }
sms-unnamed = Ο κωδικός σας { $code }
sms-full = { sms }. Λήγει σε { $lifetime }.
sms-full-unnamed = { sms-unnamed }. Λήγει σε { $lifetime }.

minutes = { $number ->
    [one] { $number } λεπτό
   *[other] { $number } λεπτά
    }
hours = { $number ->
    [one] { $number } ώρα
   *[other] { $number } ώρες
    }
days = { $number ->
    [one] { $number } ημέρα
   *[other] { $number } ημέρες
    }
