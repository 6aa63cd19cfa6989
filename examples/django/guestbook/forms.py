"""What a visitor may write."""

from django import forms


class EntryForm(forms.Form):
    name = forms.CharField(max_length=40)
    email = forms.EmailField(required=False)
    message = forms.CharField(max_length=400, widget=forms.Textarea)

    def clean_message(self):
        message = self.cleaned_data["message"]
        if "http://" in message:
            raise forms.ValidationError("No links, please.")
        return message


class FileForm(forms.Form):
    title = forms.CharField(max_length=40)
    file = forms.FileField()
